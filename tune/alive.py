"""Whether a process still runs, by its number and the moment it began."""

import psutil


def alive(pid: int, started: float) -> bool:
    """Whether process ``pid``, begun at ``started`` (s; clocks drift), runs; a zombie does not."""
    try:
        process = psutil.Process(pid)
        return (
            abs(process.create_time() - started) < 5.0 and process.status() != psutil.STATUS_ZOMBIE
        )
    except psutil.Error:
        return False
