"""A trial's settings from a YAML or JSON file, with dotted overrides. Imports no torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from genretune.tune.errors import TuneError
from genretune.tune.storage.untrusted import read_json_object, read_text


def read_settings(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return the settings in a file with ``key=value`` overrides applied.

    Raises:
        TuneError: the file or an override cannot be parsed; names the line or the key.
    """
    try:
        if path.suffix == ".json":
            settings = read_json_object(path)
        else:
            settings = YAML(typ="safe").load(read_text(path))
    except OSError as error:
        raise TuneError(f"{path}: must be a readable file, got {error.strerror}") from error
    except YAMLError as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        line = "" if mark is None else f":{mark.line + 1}"
        raise TuneError(f"{path}{line}: must be YAML or JSON (fix the syntax)") from error
    if not isinstance(settings, dict):
        raise TuneError(f"{path}: must be a mapping of settings, got {type(settings).__name__}")
    for override in overrides:
        key, value = parse_override(override)
        set_dotted(settings, key, value)
    return settings


def parse_override(text: str) -> tuple[str, Any]:
    """Split ``a.b=value`` into the dotted key and the value, parsed as YAML 1.2.

    Raises:
        TuneError: it has no key, or the value is not YAML.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise TuneError(f"override: must be key=value, got {text} (e.g. optimizer.lr=0.001)")
    try:
        return key.strip(), YAML(typ="safe").load(value)
    except YAMLError as error:
        raise TuneError(f"{key}: must be YAML, got {value!r}") from error


def set_dotted(settings: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key in place.

    A new ``name`` drops the other arguments of the mapping: they belong to the former component.

    Raises:
        TuneError: a part of the key before the last is not a mapping.
    """
    *parents, last = key.split(".")
    mapping = settings
    for parent in parents:
        child = mapping.setdefault(parent, {})
        if not isinstance(child, dict):
            raise TuneError(f"{key}: {parent} must be a mapping, got {child!r}")
        mapping = child
    if last == "name" and mapping.get("name", value) != value:
        mapping.clear()
    mapping[last] = value
