"""Messages are one printable line."""

from genretune.data.errors import DataError, SamplesChanged, printable_line


def test_a_name_becomes_one_printable_line() -> None:
    assert printable_line("a\nb\x1b[31m\udcff") == "a\\nb\\x1b[31m\\udcff"
    assert printable_line("x" * 500) == "x" * 119 + "…"


def test_exit_codes() -> None:
    assert DataError.exit_code == 2
    assert SamplesChanged.exit_code == 5
