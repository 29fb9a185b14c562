"""The end of a sweep in words: the leaderboard, what failed, and what to do next."""

from genretune.scripts.show_results import print_leaderboard
from genretune.scripts.terminal import print_error
from genretune.tune.run.results import caution, machine_classes, write_leaderboard
from genretune.tune.storage.run_dir import RunDir


def show_end(run: RunDir, *, strict: bool, finished: bool = True) -> int:
    """Write and print the leaderboard; the exit code of a finished sweep.

    Args:
        strict: 3 where a trial failed or diverged.
    """
    rows = write_leaderboard(run)
    metric = run.sweep()["space"]["metric"]["name"]
    print_leaderboard(rows, metric, caution(run), machine_classes(run))
    faulty = [row for row in rows if row.status in ("failed", "diverged")]
    for row in faulty:
        print_error(f"warning: trial {row.trial} {row.status}: {row.why}")
    if finished:
        print(f"\nfinished: {run.path} (genretune replay {run.path})")
    return 3 if faulty and strict else 0
