"""Messages are one printable line."""

from genretune.data.errors import DataError, SamplesChanged, shown


def test_shown_is_one_printable_line() -> None:
    assert shown("a\nb\x1b[31m\udcff") == "a\\nb\\x1b[31m\\udcff"
    assert shown("x" * 500) == "x" * 119 + "…"


def test_exit_codes() -> None:
    assert DataError.exit_code == 2
    assert SamplesChanged.exit_code == 5
