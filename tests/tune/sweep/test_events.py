"""Lines of the journal that are not events."""

import pytest

from genretune.tune.sweep.events import Created, from_line, to_line


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_have_are_refused(constant: str) -> None:
    line = to_line(Created(0, {"a": 0.5}, 1))
    assert from_line(line) == Created(0, {"a": 0.5}, 1)
    with pytest.raises(ValueError, match="is not valid JSON"):
        from_line(line.replace("0.5", constant))


@pytest.mark.parametrize(
    "line",
    [
        '{"event":"created","trial":0,"parameters":{}}',
        '{"event":"created","trial":0,"parameters":{},"seed":1,"more":1}',
        '{"event":"created","trial":"0","parameters":{},"seed":1}',
        '{"event":"began"}',
        "[]",
    ],
)
def test_fields_are_neither_missing_nor_unknown_nor_converted(line: str) -> None:
    with pytest.raises(ValueError):
        from_line(line)


def test_a_string_may_spell_a_constant() -> None:
    event = Created(0, {"name": "NaN"}, 1)
    assert from_line(to_line(event)) == event
