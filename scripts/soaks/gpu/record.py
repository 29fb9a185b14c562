"""The record of a soak test or a benchmark: one JSON line for each check, written at once."""

import json
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Line = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """What a check came to: it passed or failed, or it measured something, or it was skipped.

    Attributes:
        measured: values that are reported and not judged.
        skipped: why it was not done.
        detail: for people.
    """

    check: str
    passed: bool | None = None
    measured: Mapping[str, Any] | None = None
    skipped: str | None = None
    detail: str = ""

    def as_json(self, part: str, seconds: float) -> Line:
        """Return the line of the record."""
        line: Line = {"part": part, "check": self.check}
        if self.skipped is not None:
            return line | {"skipped": self.skipped}
        if self.measured is not None:
            line["measured"] = dict(self.measured)
        else:
            line["passed"] = bool(self.passed)
        return line | {"seconds": round(seconds, 2), "detail": self.detail}


class OtherRecord(Exception):
    """The file holds the record of another machine or of other versions."""


class Record:
    """Lines on standard output and, if there is one, in a file that a later run continues.

    Args:
        out: the file; what it holds as passed or measured need not be done again.
        quiet: whether to write to the file alone.
    """

    def __init__(self, out: Path | None = None, *, quiet: bool = False) -> None:
        self._shown = None if quiet else sys.stdout
        self._out = out
        self._facts: Line | None = None
        self._done: dict[tuple[str, str], Line] = {}
        self._counts: Counter[str] = Counter()
        if out is not None:
            text = out.read_text() if out.exists() else ""
            for line in map(_parsed, text.splitlines()):
                self._keep(line)
            out.parent.mkdir(parents=True, exist_ok=True)
            if text and not text.endswith("\n"):
                out.write_text(text + "\n")  # the last line is torn

    def begin(self, facts: Mapping[str, Any]) -> None:
        """Write the facts of this run, or go on where the file has the same ones.

        Raises:
            OtherRecord: the file has others.
        """
        if self._facts is None:
            self.write({"facts": dict(facts)})
        elif self._facts != dict(facts):
            names = sorted({*facts, *self._facts})
            other = [n for n in names if self._facts.get(n) != facts.get(n)]
            raise OtherRecord(
                "--out: must be new or the record of this GPU and these versions, got other "
                + ", ".join(f"{n} ({self._facts.get(n)}, now {facts.get(n)})" for n in other)
            )

    @property
    def held(self) -> int:
        """Number of checks that need not be done again."""
        return len(self._done)

    def done(self, part: str, check: str) -> Line | None:
        """Return the line of a check that passed or was measured, or None."""
        return self._done.get((part, check))

    def measured(self, part: str) -> dict[str, Any]:
        """Return what was measured in a part, by check."""
        return {
            check: line["measured"]
            for (name, check), line in self._done.items()
            if name == part and "measured" in line
        }

    def add(self, part: str, finding: Finding, seconds: float) -> None:
        """Write the line of a check."""
        line = finding.as_json(part, seconds)
        outcome = next(key for key in ("skipped", "measured", "passed") if key in line)
        self._counts["failed" if line.get("passed") is False else outcome] += 1
        self._keep(line)
        self.write(line)

    def end(self, *, before: int = 0) -> bool:
        """Write the last line; return whether no check has failed.

        Args:
            before: checks that the file held already.
        """
        names = ("passed", "failed", "measured", "skipped")
        counts = {name: self._counts[name] for name in names}
        self.write({"summary": counts | {"done before": before}})
        return counts["failed"] == 0

    def _keep(self, line: Line) -> None:
        if "facts" in line:
            self._facts = line["facts"]
        elif line.get("passed") or "measured" in line:
            self._done[line["part"], line["check"]] = line

    def write(self, line: Line) -> None:
        """Write a line at once."""
        text = json.dumps(line) + "\n"
        if self._shown is not None:
            print(text, end="", file=self._shown, flush=True)
        if self._out is not None:
            with self._out.open("a") as file:
                file.write(text)


def _parsed(text: str) -> Line:
    try:
        line = json.loads(text)
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}
