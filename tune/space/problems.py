"""Everything that is wrong with a space file, gathered and raised at once.

One line a problem: ``file:line: dotted.key: rule, got value (what to do)``.
"""

import json
from collections.abc import Iterable, Mapping

from genretune.tune.errors import TuneError

Path = tuple[str | int, ...]


class SpaceError(TuneError):
    """A search space that cannot be used; one line a problem."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


class Problems:
    """Gathers problems by path; ``raise_if_any`` reports them in the order of the file."""

    def __init__(self, locations: Mapping[Path, str]) -> None:
        self._locations = locations
        self._found: list[tuple[Path, str]] = []
        self._unreadable: set[Path] = set()

    def __len__(self) -> int:
        return len(self._found)

    def add(self, path: Path, rule: str, *, advice: str = "", unreadable: bool = False) -> None:
        """Note one problem; ``rule`` includes what was got, where there is something to show.

        What was ``unreadable`` is not complained about again for its value.
        """
        if path in self._unreadable:
            return
        if unreadable:
            self._unreadable.add(path)
        end = f" ({advice})" if advice else ""
        where = ": ".join(
            part for part in (location_of(path, self._locations), dotted(path)) if part
        )
        self._found.append((path, f"{where}: {rule}{end}"))

    def raise_if_any(self) -> None:
        """Raise all that was found.

        Raises:
            SpaceError: something was found.
        """
        if not self._found:
            return
        order = list(self._locations)
        rank = {path: number for number, path in enumerate(order)}
        known = sorted(self._found, key=lambda item: rank.get(_nearest(item[0], rank), -1))
        raise SpaceError(dict.fromkeys(line for _, line in known))


def location_of(path: Path, locations: Mapping[Path, str]) -> str:
    """``file:line`` of the path, or of the nearest thing around it."""
    return locations.get(_nearest(path, locations), "")


def _nearest(path: Path, known: Mapping[Path, object]) -> Path:
    while path and path not in known:
        path = path[:-1]
    return path


def dotted(path: Path) -> str:
    """``("start_with", 0, "optimizer.lr")`` as ``start_with[0].optimizer.lr``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def show(value: object) -> str:
    """A value as it would be written in YAML's flow style, shortened."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except TypeError:
        text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
