"""Ray's error texts in one line, for messages and the journal. Does not import Ray."""

from pathlib import Path

LOST = "the worker was lost"
NODE_DIED = "node has died"
"""In Ray's words for the loss of a worker whose node left the cluster."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or its type if it has none."""
    return _lines_of(error)[0]


def last_line(error: BaseException) -> str:
    """Return the last line, which in Ray's texts with a traceback names the cause."""
    return _lines_of(error)[-1]


def why_lost(error_file: Path) -> str:
    """Return why a segment was lost, from the file that Ray wrote about it; else ``LOST``.

    Of the last failure in the file: the last line of a traceback, otherwise the first line and the
    cause of death. Ray's own ``get_error`` looks in the results' storage, where segments put
    nothing.
    """
    try:
        text = error_file.read_text(errors="replace")
    except OSError:
        return LOST
    failure = text.rpartition("Failure # ")[2].partition("\n")[2]
    lines = [line.strip() for line in failure.splitlines() if line.strip()]
    if not lines:
        return LOST
    has_traceback = any(line.startswith("Traceback (most recent call last)") for line in lines)
    if has_traceback or lines[0].startswith("ray::"):
        return lines[-1][:200]
    cause = next((line for line in lines if line.startswith("The actor is dead because")), "")
    return f"{lines[0]} {cause}"[:300].strip()


def _lines_of(error: BaseException) -> list[str]:
    return str(error).strip().splitlines() or [type(error).__name__]
