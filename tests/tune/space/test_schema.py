"""The checked-in JSON Schema is up to date and accepts every shipped space."""

import json
from pathlib import Path

import jsonschema
import pytest

from genretune.tune.space.document import read_document
from genretune.tune.space.schema import json_schema

FOLDER = Path(__file__).parents[3] / "search_spaces"
SPACES = sorted(FOLDER.glob("*.yaml"))


def test_the_schema_is_the_one_checked_in() -> None:
    assert json.loads((FOLDER / "schema.json").read_text()) == json_schema()
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.name)
def test_shipped_spaces_are_valid_and_headed(path: Path) -> None:
    text = path.read_text()
    first, second = text.splitlines()[:2]
    assert first == "# yaml-language-server: $schema=schema.json"
    assert second == f"# genretune search search_spaces/{path.name} --data DIR"
    document = read_document(text, path.name)
    jsonschema.Draft202012Validator(json_schema()).validate(document.data)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("trials: 12", "trials: many"),
        ("mode: max", "mode: most"),
        ("{values: [null, 4, 8]}", "{values: []}"),
        ("{values: [null, 4, 8]}", "4"),
        ("distribution: loguniform", "distribution: log_uniform"),
        ("type: random", "type: best"),
        ("seed: 7", "sead: 7"),
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(good: str, old: str, new: str) -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    assert validator.is_valid(read_document(good, "s.yaml").data)
    assert not validator.is_valid(read_document(good.replace(old, new, 1), "s.yaml").data)
