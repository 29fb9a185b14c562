"""``trial.epochs=10`` from the command line, applied to the file's data before it is checked."""

from collections.abc import Mapping, Sequence

from genretune.tune.space.document import Document, read_value
from genretune.tune.space.problems import Path, SpaceError, show

_PLACE = "command line"
Data = dict[str, object]


def apply_overrides(document: Document, overrides: Sequence[str]) -> tuple[str, ...]:
    """Change the document's data in place; returns a note for every parameter that is pinned.

    A key starts at the file's root. One under ``trial`` that is swept pins the parameter; one
    inside a choice keeps the options that agree with it.

    Raises:
        SpaceError: not ``key=value``, a key inside something that is not a mapping, or a choice
            none of whose options agrees.
    """
    notes: list[str] = []
    for text in overrides:
        key, equals, raw = text.partition("=")
        parts = key.strip().split(".")
        if not equals or not all(parts):
            raise SpaceError(
                [f"{_PLACE}: must be key=value, got {show(text)} (for example trial.epochs=10)"]
            )
        value = read_value(raw, f"{_PLACE}: {key.strip()}")
        data = document.data
        if not isinstance(data, dict):
            raise SpaceError([f"{_PLACE}: must change a mapping of settings, got {show(data)}"])
        swept = data.get("parameters")
        if parts[0] == "trial" and len(parts) > 1 and isinstance(swept, dict):
            chosen = _choice_around(swept, "", ".".join(parts[1:]))
            if chosen is not None:
                notes.append(_restrict(*chosen, value))
                continue
            notes.extend(_pin(data, swept, ".".join(parts[1:]), value))
        _assign(data, parts, value, (), document.locations)
    return tuple(notes)


def _assign(
    at: Data, parts: list[str], value: object, path: Path, locations: dict[Path, str]
) -> None:
    """Keys may themselves be dotted (parameters are): the longest one that stands there wins."""
    whole = path[:1] == ("parameters",)
    count = len(parts) if whole else 1
    for length in range(len(parts), 0, -1):
        if ".".join(parts[:length]) in at:
            count = length
            break
    key = ".".join(parts[:count])
    here = (*path, key)
    if count == len(parts):
        for stale in [known for known in locations if known[: len(here)] == here]:
            del locations[stale]
        at[key] = value
        locations[here] = _PLACE
        return
    child = at.setdefault(key, {})
    if not isinstance(child, dict):
        inside = ".".join(str(part) for part in (*here, *parts[count:]))
        raise SpaceError(
            [f"{_PLACE}: {inside}: must lie inside a mapping, got {key}: {show(child)}"]
        )
    _assign(child, parts[count:], value, here, locations)


def _choice_around(
    swept: Mapping[str, object], prefix: str, key: str
) -> tuple[Data, str, str] | None:
    """The choice that the key lies inside: (the choice, its dotted key, the rest of the key)."""
    for name, raw in swept.items():
        full = f"{prefix}{name}"
        if not key.startswith(full + ".") or not isinstance(raw, dict):
            continue
        if "choice" in raw:
            return raw, full, key[len(full) + 1 :]
        return _choice_around(raw, full + ".", key)
    return None


def _restrict(choice: Data, name: str, rest: str, value: object) -> str:
    """Keep the options that hold the value, pinning it where an option sweeps it."""
    options = choice["choice"]
    kept: list[object] = []
    for option in options if isinstance(options, list) else []:
        at: object = option
        *parents, last = rest.split(".")
        for part in parents:
            at = at.get(part) if isinstance(at, dict) else None
        if not isinstance(at, dict) or last not in at:
            continue
        if isinstance(at[last], dict):
            at[last] = value
        if type(at[last]) is type(value) and at[last] == value:
            kept.append(option)
    if not kept:
        raise SpaceError(
            [
                f"{_PLACE}: trial.{name}.{rest}: must be what one of the options of {name} holds, "
                f"got {show(value)} (trial.{name}=... replaces the whole choice)"
            ]
        )
    choice["choice"] = kept
    return f"{name}: {len(kept)} of {len(options)} options kept by {rest} = {show(value)}"  # type: ignore[arg-type]


def _pin(data: Data, swept: Data, key: str, value: object) -> list[str]:
    """Take out every parameter at the key or below it."""
    gone = _remove(swept, "", key)
    first = data.get("start_with")
    for given in first if isinstance(first, list) else []:
        for name in [n for n in given if isinstance(given, dict) and _covers(key, n)]:
            del given[name]
    return [f"{name}: pinned by {key} = {show(value)}, not swept" for name in gone]


def _remove(swept: Data, prefix: str, key: str) -> list[str]:
    gone: list[str] = []
    for name in list(swept):
        full, raw = f"{prefix}{name}", swept[name]
        if _covers(key, full):
            del swept[name]
            gone.append(full)
        elif key.startswith(full + ".") and isinstance(raw, dict):
            gone.extend(_remove(raw, full + ".", key))
            if not raw:
                del swept[name]
    return gone


def _covers(key: str, name: str) -> bool:
    return name == key or name.startswith(key + ".")
