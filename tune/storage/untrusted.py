"""Reading a run directory that anybody may have made: it is data, and nothing in it is obeyed.

Only ordinary files are opened, so that a pipe or a device holds nobody up; JSON is JSON, without
NaN; what has another shape than this program writes is refused by name. A command that writes
refuses a directory with links in it, which could lead its writing elsewhere.
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

_LARGEST = 2**30  # bytes of a file that is read whole


def read_file(path: Path) -> bytes:
    """The content of an ordinary file.

    Raises:
        OSError: it cannot be opened or read.
        DamagedRecord: it is no ordinary file, or larger than a record can be.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise DamagedRecord(f"{path}: must be an ordinary file, got something else")
        if found.st_size > _LARGEST:
            raise DamagedRecord(f"{path}: must be smaller than 1 GiB, got {found.st_size} bytes")
        return file.read(_LARGEST)


def read_text(path: Path) -> str:
    """The text of an ordinary file; raises as ``read_file``, and where it is not UTF-8."""
    try:
        return read_file(path).decode()
    except UnicodeDecodeError as error:
        raise DamagedRecord(f"{path}: must be UTF-8 text, got {error.reason}") from error


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        OSError: it cannot be opened or read.
        DamagedRecord: it is not the JSON that this program writes.
    """
    text = read_text(path)
    try:
        content = json.loads(text, parse_constant=_no_constant)
        if "\\ud" in text.lower():
            json.dumps(content, ensure_ascii=False).encode()  # half a character cannot be printed
    except RecursionError as error:
        raise DamagedRecord(f"{path}: must be JSON, got it nested too deeply") from error
    except ValueError as error:
        raise DamagedRecord(f"{path}: must be readable JSON, got {error}") from error
    if not isinstance(content, dict):
        raise DamagedRecord(f"{path}: must be a JSON object, got {type(content).__name__}")
    return content


def read_result(folder: Path) -> dict[str, Any] | None:
    """``result.json`` of a trial's folder; None without one.

    Raises:
        OSError: it cannot be opened or read.
        DamagedRecord: it is not what this program writes.
    """
    path = folder / "result.json"
    try:
        content = read_object(path)
    except FileNotFoundError:
        return None
    check_shape("result", content, path)
    lists: dict[str, Any] = {"classes": [], "segments": [], "history": []}
    return lists | {"status": "running", "why": None} | content


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name}, which JSON has not")


class _Loose(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class _Data(_Loose):
    samples: str = Field(pattern="^[0-9a-f]+$")
    sample_rate: int = Field(ge=1)


class _Leakage(_Loose):
    leaks: list[Any] = []


class _Sweep(_Loose):
    """What is read of ``sweep.json``; the space has a reader of its own."""

    space: dict[str, Any]
    overrides: list[str]
    data: _Data
    source: str | None
    leakage: _Leakage
    determinism: Level
    device: Literal["cpu", "cuda"]
    plugins: dict[str, str]
    corpus: str | None = None


class _Environment(_Loose):
    machine_class: str


class _Segment(_Loose):
    environment: _Environment


class _Result(_Loose):
    status: str = "running"
    why: str | None = None
    classes: list[str] = []
    segments: list[_Segment] = []
    history: list[dict[str, Any]] = []


class _Holder(_Loose):
    generation: int = Field(ge=0)
    pid: int | None = Field(gt=0, lt=2**31)
    host: str = ""
    started: float = 0.0


_SHAPES: dict[str, type[BaseModel]] = {"sweep": _Sweep, "result": _Result, "holder": _Holder}


def check_shape(kind: Literal["sweep", "result", "holder"], content: Any, path: Path) -> None:
    """See that ``sweep.json``, ``result.json`` or ``driver.json`` has what is read of it.

    Raises:
        DamagedRecord: it has not; names the first thing.
    """
    try:
        _SHAPES[kind].model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        rule = first["msg"][:1].lower() + first["msg"][1:]
        raise DamagedRecord(f"{path}: {where}: {rule}, got {_short(first['input'])}") from None


def refuse_links(path: Path) -> None:
    """See that nothing in a run directory leads out of it, before anything is written there.

    Raises:
        DamagedRecord: it holds a symbolic link.
        OSError: it cannot be read.
    """
    for entry in _entries(path):
        if entry.is_symlink():
            raise DamagedRecord(
                f"{entry.path}: must be no link where something is to be written, got one to "
                f"{os.readlink(entry.path)} (put the files there)"
            )


def _entries(path: Path) -> Iterator["os.DirEntry[str]"]:
    with os.scandir(path) as found:
        for entry in found:
            yield entry
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(Path(entry.path))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
