"""A trial's settings from a YAML or JSON file, with dotted overrides; imports no torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from genretune.tune.errors import TuneError
from genretune.tune.storage.untrusted import read_object, read_text


def read_settings(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The settings of ``path`` with ``key=value`` overrides put in.

    Raises:
        TuneError: the file or an override cannot be read; the line says where.
    """
    try:
        if path.suffix == ".json":
            settings = read_object(path)
        else:
            settings = YAML(typ="safe").load(read_text(path))
    except OSError as error:
        raise TuneError(f"{path}: must be a file to read ({error.strerror})") from error
    except YAMLError as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        line = "" if mark is None else f":{mark.line + 1}"
        raise TuneError(f"{path}{line}: must be YAML or JSON (mend the syntax)") from error
    if not isinstance(settings, dict):
        raise TuneError(f"{path}: must be a mapping of settings, got {type(settings).__name__}")
    for override in overrides:
        key, value = parse_override(override)
        put(settings, key, value)
    return settings


def parse_override(text: str) -> tuple[str, Any]:
    """``a.b=value`` as (dotted key, value read as YAML 1.2)."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise TuneError(f"{text}: an override must be key=value (e.g. optimizer.lr=0.001)")
    try:
        return key.strip(), YAML(typ="safe").load(value)
    except YAMLError as error:
        raise TuneError(f"{key}: must be YAML, got {value!r}") from error


def put(settings: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key. A new ``name`` drops the arguments of the component named before."""
    *path, last = key.split(".")
    here = settings
    for part in path:
        inner = here.setdefault(part, {})
        if not isinstance(inner, dict):
            raise TuneError(f"{key}: {part} must be a mapping, got {inner!r}")
        here = inner
    if last == "name" and here.get("name", value) != value:
        here.clear()
    here[last] = value
