"""Read a run directory as untrusted input: it is parsed and validated, never executed.

Only regular files are read, so that a pipe or a device cannot block a command. JSON must be strict
(no NaN or Infinity) and match the schema that this program writes. Commands that write refuse a
directory with symbolic links, which could redirect their writes.
"""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from genretune.tune.errors import DamagedRecord
from genretune.tune.reproducibility.literals import Level

_MAX_BYTES = 2**30  # of a file that is read into memory


def read_file(path: Path) -> bytes:
    """Return the content of a regular file.

    Raises:
        OSError: it cannot be opened or read.
        DamagedRecord: it is not a regular file, or larger than any record.
    """
    # O_NONBLOCK, because opening a pipe would otherwise wait for a writer that never comes. The
    # type is checked on the open descriptor: the path could be replaced after a check of its own.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise DamagedRecord(f"{path}: must be a regular file, got another kind")
        if status.st_size > _MAX_BYTES:
            raise DamagedRecord(f"{path}: must be at most 1 GiB, got {status.st_size} bytes")
        return file.read(_MAX_BYTES)  # limited here, too: the file may still grow


def read_text(path: Path) -> str:
    """Return the text of a regular file; raises as ``read_file``, and if it is not UTF-8."""
    try:
        return read_file(path).decode()
    except UnicodeDecodeError as error:
        raise DamagedRecord(f"{path}: must be UTF-8 text, got {error.reason}") from error


def read_json_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        OSError: it cannot be opened or read.
        DamagedRecord: it is not a strict JSON object.
    """
    text = read_text(path)
    try:
        content = json.loads(text, parse_constant=_reject_constant)
        # A lone surrogate is valid JSON, but printing or journaling it later would raise.
        if "\\ud" in text.lower():
            json.dumps(content, ensure_ascii=False).encode()
    except RecursionError as error:
        raise DamagedRecord(f"{path}: must be JSON, got it nested too deeply") from error
    except ValueError as error:
        raise DamagedRecord(f"{path}: must be readable JSON, got {error}") from error
    if not isinstance(content, dict):
        raise DamagedRecord(f"{path}: must be a JSON object, got {type(content).__name__}")
    return content


def read_result(trial_path: Path) -> dict[str, Any] | None:
    """Return ``result.json`` of a trial's folder; None if it does not exist.

    Raises:
        OSError: it cannot be opened or read.
        DamagedRecord: it does not match the schema.
    """
    path = trial_path / "result.json"
    try:
        content = read_json_object(path)
    except FileNotFoundError:
        return None
    check_schema("result", content, path)
    lists: dict[str, Any] = {"classes": [], "segments": [], "history": []}
    return lists | {"status": "running", "why": None} | content


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name}, which is not JSON")


_Kind = Literal["sweep", "result", "holder"]


class _Schema(BaseModel):
    """The keys of a file that are read; others are allowed, so that newer files can be opened."""

    model_config = ConfigDict(extra="allow", strict=True)


class _DataSchema(_Schema):
    samples: str = Field(pattern="^[0-9a-f]+$")
    sample_rate: int = Field(ge=1)


class _LeakageSchema(_Schema):
    leaks: list[Any] = []


class _SweepSchema(_Schema):
    """The keys of ``sweep.json`` that are read; ``tune.space`` validates the space."""

    space: dict[str, Any]
    overrides: list[str]
    data: _DataSchema
    source: str | None
    leakage: _LeakageSchema
    determinism: Level
    device: Literal["cpu", "cuda"]
    plugins: dict[str, str]
    corpus: str | None = None


class _EnvironmentSchema(_Schema):
    machine_class: str


class _SegmentSchema(_Schema):
    environment: _EnvironmentSchema


class _ResultSchema(_Schema):
    status: str = "running"
    why: str | None = None
    classes: list[str] = []
    segments: list[_SegmentSchema] = []
    history: list[dict[str, Any]] = []


class _HolderSchema(_Schema):
    generation: int = Field(ge=0)
    pid: int | None = Field(gt=0, lt=2**31)
    host: str = ""
    started: float = 0.0


_SCHEMAS: dict[_Kind, type[BaseModel]] = {
    "sweep": _SweepSchema,
    "result": _ResultSchema,
    "holder": _HolderSchema,
}


def check_schema(kind: _Kind, content: Any, path: Path) -> None:
    """Validate the content of ``sweep.json``, ``result.json`` or ``driver.json``.

    Args:
        path: named in the message.

    Raises:
        DamagedRecord: a key that is read is missing or invalid; names the first.
    """
    try:
        _SCHEMAS[kind].model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        rule = first["msg"][:1].lower() + first["msg"][1:]
        raise DamagedRecord(f"{path}: {key}: {rule}, got {_shortened(first['input'])}") from None


def refuse_links(path: Path) -> None:
    """Check that a run directory contains no symbolic link, before anything is written there.

    A link in somebody else's directory could make a command overwrite or delete files outside it.

    Raises:
        DamagedRecord: it contains a symbolic link.
        OSError: it cannot be read.
    """
    for entry in _entries_below(path):
        if entry.is_symlink():
            raise DamagedRecord(
                f"{entry.path}: symbolic links are not allowed in a directory to be written, got "
                f"one to {os.readlink(entry.path)} (replace it by the files themselves)"
            )


def _entries_below(path: Path) -> Iterator["os.DirEntry[str]"]:
    """Yield all entries below a folder without following links."""
    with os.scandir(path) as entries:
        for entry in entries:
            yield entry
            if entry.is_dir(follow_symlinks=False):
                yield from _entries_below(Path(entry.path))


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
