import pytest

from genretune.models.schema_text import describe_rule, show


@pytest.mark.parametrize(
    ("schema", "description"),
    [
        ({"type": "integer", "minimum": 1}, "a whole number >= 1"),
        ({"type": "number", "minimum": 0, "exclusiveMaximum": 1}, "a number >= 0 and < 1"),
        ({"type": "boolean"}, "true or false"),
        ({"enum": ["a", "b"], "type": "string"}, "one of a, b"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "a string, or null"),
        ({"anyOf": [{"type": "null"}, {"type": "null"}]}, "null"),
        ({"type": "array", "items": {"type": "integer"}}, "a list (each a whole number)"),
        (
            {"type": "array", "items": {"type": "boolean"}, "minItems": 3, "maxItems": 3},
            "a list of 3 values (each true or false)",
        ),
        (
            {"type": "array", "items": {"type": "integer"}, "minItems": 1},
            "a list of at least 1 (each a whole number)",
        ),
        (
            {"type": "array", "prefixItems": [{"type": "number"}, {"type": "null"}]},
            "a list of 2: a number; null",
        ),
        ({}, "a value"),
    ],
)
def test_describe_rule(schema: dict[str, object], description: str) -> None:
    assert describe_rule(schema) == description


def test_show_uses_json_where_possible() -> None:
    assert [show(v) for v in (None, True, "a", [1, None])] == ["null", "true", '"a"', "[1, null]"]
    assert show({1}) == "{1}"
