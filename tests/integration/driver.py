"""A running search or resume, for tests that disturb it."""

import subprocess
import sys
import time
from pathlib import Path


class Driver:
    """A command in its own process, with its output in a file."""

    def __init__(self, run: Path, *arguments: str | Path) -> None:
        self.run = run
        self.log = run.with_suffix(".log")
        with open(self.log, "a") as log:
            command = [sys.executable, "-m", "genretune.scripts.cli", *map(str, arguments)]
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def until(self, what: str, number: int) -> None:
        """Wait until the journal holds ``number`` events of a kind."""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log.read_text()
            if number <= self.count(what):
                return
            time.sleep(0.02)
        raise AssertionError(f"{number} {what} not reached: {self.log.read_text()}")

    def count(self, what: str) -> int:
        try:
            return (self.run / "journal.jsonl").read_text().count(f'"event":"{what}"')
        except OSError:
            return 0

    def wait(self) -> int:
        return self.process.wait(timeout=180)
