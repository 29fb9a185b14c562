"""What Ray says of a lost segment, from the file that it leaves; needs no Ray."""

from pathlib import Path

LOST = "the worker was lost"


def why_lost(error_file: Path) -> str:
    """The last failure in a file of Ray's: what it says first, or of a traceback the last line.

    Ray's own ``get_error`` looks in the results' storage, where nothing of a segment is put.
    """
    try:
        text = error_file.read_text(errors="replace")
    except OSError:
        return LOST
    failure = text.rpartition("Failure # ")[2].partition("\n")[2]
    lines = [line.strip() for line in failure.splitlines() if line.strip()]
    if not lines:
        return LOST
    traced = any(line.startswith("Traceback (most recent call last)") for line in lines)
    if traced or lines[0].startswith("ray::"):
        return lines[-1][:200]
    cause = next((line for line in lines if line.startswith("The actor is dead because")), "")
    return f"{lines[0]} {cause}"[:300].strip()
