"""One table of running segments, by Ray's id and by trial."""

import pytest

from genretune.tune.dispatch.running_segments import RunningSegments


def test_a_segment_is_found_by_id_until_it_is_removed() -> None:
    table = RunningSegments()
    segment = table.add("ray-7", 3)
    assert table.get("ray-7") is segment and table.get("ray-8") is None
    assert 3 in table.trials and len(table) == 1
    table.remove(segment)
    assert table.get("ray-7") is None and not table.trials


def test_a_trial_runs_in_one_segment_only() -> None:
    table = RunningSegments()
    table.add("ray-7", 3)
    with pytest.raises(ValueError, match="trial 3 already runs as segment ray-7"):
        table.add("ray-8", 3)


def test_segments_can_be_removed_during_iteration() -> None:
    table = RunningSegments()
    for trial in range(3):
        table.add(f"ray-{trial}", trial)
    for segment in table:
        table.remove(segment)
    assert len(table) == 0
