"""Overrides from the command line (``trial.epochs=10``), applied before the file is checked."""

from collections.abc import Mapping, Sequence

from genretune.tune.space.document import Document, read_value
from genretune.tune.space.problems import Path, SpaceError, show

_SOURCE = "command line"
Data = dict[str, object]


def apply_overrides(document: Document, overrides: Sequence[str]) -> tuple[str, ...]:
    """Change the document's data in place and return a note for every pinned parameter.

    Keys start at the root of the file. A key under ``trial`` that is swept pins the parameter; a
    key inside a choice keeps the options that agree with the value.

    Raises:
        SpaceError: an override is not ``key=value``, its key is inside something that is not a
            mapping, or no option of a choice agrees with the value.
    """
    notes: list[str] = []
    for text in overrides:
        key, equals, raw = text.partition("=")
        parts = key.strip().split(".")
        if not equals or not all(parts):
            raise SpaceError(
                [f"{_SOURCE}: must be key=value, got {show(text)} (for example trial.epochs=10)"]
            )
        value = read_value(raw, f"{_SOURCE}: {key.strip()}")
        data = document.data
        if not isinstance(data, dict):
            raise SpaceError([f"{_SOURCE}: must apply to a mapping of settings, got {show(data)}"])
        swept = data.get("parameters")
        if parts[0] == "trial" and len(parts) > 1 and isinstance(swept, dict):
            enclosing = _enclosing_choice(swept, "", ".".join(parts[1:]))
            if enclosing is not None:
                notes.append(_restrict(*enclosing, value))
                continue
            notes.extend(_pin(data, swept, ".".join(parts[1:]), value))
        _assign(data, parts, value, (), document.locations)
    return tuple(notes)


def _assign(
    target: Data, parts: list[str], value: object, path: Path, locations: dict[Path, str]
) -> None:
    """Set a nested key, creating mappings on the way.

    Keys of the file may themselves be dotted (those of parameters are): the longest one that
    exists is taken. Below ``parameters`` a new key is not split.
    """
    whole = path[:1] == ("parameters",)
    count = len(parts) if whole else 1
    for length in range(len(parts), 0, -1):
        if ".".join(parts[:length]) in target:
            count = length
            break
    key = ".".join(parts[:count])
    key_path = (*path, key)
    if count == len(parts):
        # messages about the new value must not name the lines of the old one
        for stale in [known for known in locations if known[: len(key_path)] == key_path]:
            del locations[stale]
        target[key] = value
        locations[key_path] = _SOURCE
        return
    child = target.setdefault(key, {})
    if not isinstance(child, dict):
        full_key = ".".join(str(part) for part in (*key_path, *parts[count:]))
        raise SpaceError(
            [f"{_SOURCE}: {full_key}: must be inside a mapping, got {key}: {show(child)}"]
        )
    _assign(child, parts[count:], value, key_path, locations)


def _enclosing_choice(
    swept: Mapping[str, object], prefix: str, key: str
) -> tuple[Data, str, str] | None:
    """Return the choice that contains the key: (choice, its dotted key, rest of the key)."""
    for name, raw in swept.items():
        full = f"{prefix}{name}"
        if not key.startswith(full + ".") or not isinstance(raw, dict):
            continue
        if "choice" in raw:
            return raw, full, key[len(full) + 1 :]
        return _enclosing_choice(raw, full + ".", key)
    return None


def _restrict(choice: Data, name: str, rest: str, value: object) -> str:
    """Keep the options that allow the value, and pin it in options that sweep it."""
    options = choice["choice"]
    if not isinstance(options, list):
        options = []  # refused below, like a list without a matching option
    kept: list[object] = []
    for option in options:
        parent: object = option
        *parents, last = rest.split(".")
        for part in parents:
            parent = parent.get(part) if isinstance(parent, dict) else None
        if not isinstance(parent, dict) or last not in parent:
            continue
        if isinstance(parent[last], dict):
            parent[last] = value
        if type(parent[last]) is type(value) and parent[last] == value:
            kept.append(option)
    if not kept:
        raise SpaceError(
            [
                f"{_SOURCE}: trial.{name}.{rest}: must match an option of {name}, "
                f"got {show(value)} (trial.{name}=... replaces the whole choice)"
            ]
        )
    choice["choice"] = kept
    return f"{name}: {len(kept)} of {len(options)} options kept by {rest} = {show(value)}"


def _pin(data: Data, swept: Data, key: str, value: object) -> list[str]:
    """Remove every parameter at the key or below it, and return a note for each."""
    removed = _remove(swept, "", key)
    # fixed trials would otherwise name parameters that no longer exist
    fixed_trials = data.get("start_with")
    for fixed in fixed_trials if isinstance(fixed_trials, list) else []:
        if isinstance(fixed, dict):
            for name in [name for name in fixed if _covers(key, name)]:
                del fixed[name]
    return [f"{name}: pinned by {key} = {show(value)}, not swept" for name in removed]


def _remove(swept: Data, prefix: str, key: str) -> list[str]:
    removed: list[str] = []
    for name in list(swept):
        full, raw = f"{prefix}{name}", swept[name]
        if _covers(key, full):
            del swept[name]
            removed.append(full)
        elif key.startswith(full + ".") and isinstance(raw, dict):
            removed.extend(_remove(raw, full + ".", key))
            if not raw:
                del swept[name]
    return removed


def _covers(key: str, name: str) -> bool:
    """Return whether ``name`` is the key or lies below it."""
    return name == key or name.startswith(key + ".")
