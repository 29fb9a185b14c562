"""Which changes of the environment the user has to accept."""

import pytest

from genretune.tune.errors import RecordMismatch
from genretune.tune.run.resume_check import check_environment, last_environment
from genretune.tune.sweep.events import Driver

BEFORE = {"machine_class": "a", "torch": "2.14.1", "host": "one", "os": "Linux 5"}


def test_versions_and_machine_classes_must_not_change_but_hosts_may() -> None:
    check_environment(BEFORE, BEFORE | {"host": "two", "os": "Linux 6"}, accepted=False)
    check_environment({}, BEFORE, accepted=False)
    now = BEFORE | {"torch": "2.14.2", "machine_class": "b"}
    with pytest.raises(RecordMismatch, match="machine_class: a -> b; torch: 2.14.1 -> 2.14.2"):
        check_environment(BEFORE, now, accepted=False)
    check_environment(BEFORE, now, accepted=True)


def test_edited_code_must_be_accepted_and_is_shown_by_short_digests() -> None:
    before, now = BEFORE | {"code": "a" * 64}, BEFORE | {"code": "b" * 64}
    message = "own code has been edited or replaced since: a{12} -> b{12} .--accept-new-environment"
    with pytest.raises(RecordMismatch, match=message):
        check_environment(before, now, accepted=False)
    check_environment(before, now, accepted=True)
    check_environment(BEFORE, now, accepted=False)  # an old record without a code digest


def test_the_last_environment_is_that_of_the_last_driver() -> None:
    events = [Driver(1, "h", 1, {"torch": "1"}), Driver(2, "h", 2, {"torch": "2"})]
    assert last_environment(events) == {"torch": "2"}
    assert last_environment([]) == {}
