"""Messages are one printable line."""

from genretune.data.errors import DataError, SamplesChanged, did_you_mean, shown


def test_shown_is_one_printable_line() -> None:
    assert shown("a\nb\x1b[31m\udcff") == "a\\nb\\x1b[31m\\udcff"
    assert shown("x" * 500) == "x" * 119 + "…"


def test_did_you_mean_names_the_nearest_or_what_there_is() -> None:
    assert did_you_mean("stratifid", ["grouped", "stratified"]) == " (did you mean 'stratified'?)"
    assert did_you_mean("zzz", ["one", "two"]) == " (there are: one, two)"


def test_exit_codes() -> None:
    assert DataError.exit_code == 2
    assert SamplesChanged.exit_code == 5
