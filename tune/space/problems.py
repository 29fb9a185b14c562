"""All problems of a space file, collected and raised together.

One line each: ``file:line: dotted.key: rule, got value (what to do)``.
"""

import json
from collections.abc import Iterable, Mapping

from genretune.tune.errors import TuneError

Path = tuple[str | int, ...]
"""Keys and list indices from the root of a file."""


class SpaceError(TuneError):
    """An invalid search space; one line for each problem."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


class Problems:
    """A collection of problems by path, reported in the order of the file."""

    def __init__(self, locations: Mapping[Path, str]) -> None:
        self._locations = locations
        self._problems: list[tuple[Path, str]] = []
        self._unreadable: set[Path] = set()

    def __len__(self) -> int:
        return len(self._problems)

    def add(self, path: Path, rule: str, *, advice: str = "", unreadable: bool = False) -> None:
        """Add one problem.

        Args:
            path: key or value with the problem.
            rule: the rule, with ``, got value`` if there is a value to show.
            advice: what to do.
            unreadable: the value has no defined meaning; further problems at the same path, which
                would only be consequences, are dropped.
        """
        if path in self._unreadable:
            return
        if unreadable:
            self._unreadable.add(path)
        end = f" ({advice})" if advice else ""
        where = ": ".join(
            part for part in (location_of(path, self._locations), dotted(path)) if part
        )
        self._problems.append((path, f"{where}: {rule}{end}"))

    def raise_if_any(self) -> None:
        """Raise all problems in the order of the file, each line once.

        Raises:
            SpaceError: there is at least one problem.
        """
        if not self._problems:
            return
        rank = {path: number for number, path in enumerate(self._locations)}
        ordered = sorted(self._problems, key=lambda item: rank.get(_nearest(item[0], rank), -1))
        raise SpaceError(dict.fromkeys(line for _, line in ordered))


def location_of(path: Path, locations: Mapping[Path, str]) -> str:
    """Return ``file:line`` of the path or of its nearest located parent, else an empty string."""
    return locations.get(_nearest(path, locations), "")


def _nearest(path: Path, known: Mapping[Path, object]) -> Path:
    while path and path not in known:
        path = path[:-1]
    return path


def dotted(path: Path) -> str:
    """Return ``("start_with", 0, "optimizer.lr")`` as ``start_with[0].optimizer.lr``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def show(value: object) -> str:
    """Return a value as JSON (which is YAML flow style), cut to 60 characters."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except TypeError:
        text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
