"""New Python processes that run a task and answer in JSON lines, under a time limit."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from genretune.scripts.soaks.gpu.record import Finding, Record
from genretune.tune.reproducibility.determinism_env import (
    ENVIRONMENT,
    MALLOC_ENVIRONMENT,
    TF32_OVERRIDES,
)

Answer = dict[str, Any]
Task = Callable[[Mapping[str, Any]], Iterator[Answer]]
"""Yields an answer for each of ``keys`` of its request, in their order."""

TASKS = "genretune.scripts.soaks.gpu.trial_tasks"


class Child:
    """A new process with the environment of a trial at the level ``strict``.

    Args:
        module: started with the name of the task and the request; it calls ``serve``.
        environment: further variables.
    """

    def __init__(
        self,
        task: str,
        request: Mapping[str, Any],
        *,
        module: str = TASKS,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._errors = tempfile.TemporaryFile("w+")
        self._end: str | None = None
        variables = {k: v for k, v in os.environ.items() if k not in TF32_OVERRIDES}
        for name, value in {**ENVIRONMENT["strict"], **MALLOC_ENVIRONMENT}.items():
            variables.pop(name, None)
            if value is not None:
                variables[name] = value
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, task, json.dumps(request)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=variables | dict(environment or {}),
            text=True,
        )

    def answers(self) -> Iterator[Answer]:
        """Yield answers as they come, until the process ends."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            yield json.loads(line)

    def go(self) -> None:
        """End the standard input of the process, for which it may wait."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()

    def end(self) -> str:
        """Let the process end, which waits for it, and return how it did: one line."""
        if self._end is None:
            assert self._process.stdout is not None
            self.go()
            code = self._process.wait()
            self._process.stdout.close()
            self._errors.seek(0)
            lines = self._errors.read().strip().splitlines()
            self._errors.close()
            self._end = f"exit code {code}" + (f": {lines[-1][:500]}" if lines else "")
        return self._end

    def ended(self) -> bool:
        """Return whether the process has ended, or does so within a second."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1.0)
        return self._process.poll() is not None


@dataclass
class Context:
    """What a part works with.

    Attributes:
        device, size: of its trials.
        late: whether the time limit of the part is over.
    """

    part: str
    device: str
    size: str
    record: Record
    late: bool = False
    _children: list[Child] = field(default_factory=list)

    def open(self, checks: Sequence[str]) -> list[str]:
        """Return the checks that the record does not hold as passed or measured."""
        return [check for check in checks if self.record.done(self.part, check) is None]

    @contextmanager
    def child(
        self,
        task: str,
        keys: Sequence[str] = (),
        *,
        module: str = TASKS,
        environment: Mapping[str, str] | None = None,
        **request: Any,
    ) -> Iterator[Child]:
        """Run a task in a new process for a ``with`` block."""
        whole = {"device": self.device, "size": self.size, "keys": list(keys), **request}
        child = Child(task, whole, module=module, environment=environment)
        self._children.append(child)
        if self.late:
            child.kill()
        try:
            yield child
        except BaseException:
            child.kill()
            raise
        finally:
            self._children.remove(child)
            child.end()

    @contextmanager
    def time_limit(self, seconds: float) -> Iterator[None]:
        """Kill all children of the block when its time is over."""

        def end() -> None:
            self.late = True
            for child in list(self._children):
                child.kill()

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def ask(context: Context, task: str, keys: Sequence[str], **request: Any) -> dict[str, Answer]:
    """Run a task in one new process; return the answer to each key, or why there is none."""
    with context.child(task, keys, **request) as child:
        return collect(child, keys)


def collect(child: Child, keys: Sequence[str]) -> dict[str, Answer]:
    """Wait for the answers of a process; return one for each key, or why there is none."""
    found = {answer["key"]: answer for answer in child.answers()}
    missing = [key for key in keys if key not in found]
    if missing:
        why = child.end()
        found |= {key: {"key": key, "error": f"no answer, {why}"} for key in missing}
    return found


def judged(context: Context, task: str, checks: Sequence[str], **request: Any) -> Iterator[Finding]:
    """Run checks in new processes, another one after an error; yield what they say."""
    for _, answer in answers_to(context, task, checks, request=request):
        yield finding(*answer)


def twice(context: Context, task: str, checks: Sequence[str], **request: Any) -> Iterator[Finding]:
    """Run checks in two new processes side by side; yield whether their digests are equal."""
    for key, (one, other) in answers_to(context, task, checks, processes=2, request=request):
        yield same(key, one, other)


def same(check: str, one: Answer, other: Answer) -> Finding:
    """Return whether two answers have equal digests."""
    for answer in (one, other):
        if answer.get("error"):
            return Finding(check, passed=False, detail=str(answer["error"]))
    equal = one["digest"] == other["digest"]
    digests = one["digest"][:12] if equal else f"{one['digest'][:12]}, {other['digest'][:12]}"
    return Finding(check, passed=equal, detail=", ".join(filter(None, [digests, one["detail"]])))


def compared(check: str, one: Answer, other: Answer) -> Finding:
    """Return whether two answers have equal digests, as a measurement."""
    judged = same(check, one, other)
    failed = one.get("error") or other.get("error")
    result = "no answer" if failed else "same" if judged.passed else "differs"
    return Finding(check, measured={"bits": result}, detail=judged.detail)


def finding(answer: Answer) -> Finding:
    """Return the finding of an answer that judges itself."""
    if answer.get("error"):
        return Finding(answer["key"], passed=False, detail=str(answer["error"]))
    return Finding(
        answer["key"],
        passed=answer.get("passed"),
        measured=answer.get("measured"),
        skipped=answer.get("skipped"),
        detail=answer.get("detail", ""),
    )


def answers_to(
    context: Context,
    task: str,
    checks: Sequence[str],
    *,
    processes: int = 1,
    request: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[tuple[str, tuple[Answer, ...]]]:
    """Yield the answers of all processes to each check, as soon as all have one.

    After an error the rest is done by new processes: a CUDA context may be broken.
    """
    rest = context.open(checks)
    while rest and not context.late:
        asked = set(rest)
        with _children(context, task, rest, processes, request) as children:
            streams = ((a for a in child.answers() if a["key"] in asked) for child in children)
            for answers in zip(*streams, strict=False):
                yield rest.pop(0), answers
                if any(answer.get("error") for answer in answers):
                    break
            else:
                if rest:
                    why = "; ".join(child.end() for child in children if child.ended())
                    yield rest[0], ({"key": rest.pop(0), "error": f"no answer, {why}"},) * processes
            for child in children:
                child.kill()


@contextmanager
def _children(
    context: Context, task: str, keys: Sequence[str], count: int, request: Mapping[str, Any]
) -> Iterator[list[Child]]:
    if count == 1:
        with context.child(task, keys, **request) as one:
            yield [one]
        return
    with context.child(task, keys, **request) as one:
        with _children(context, task, keys, count - 1, request) as others:
            yield [one, *others]


def serve(tasks: Mapping[str, Task]) -> None:
    """Run in a child: do the task named on the command line, and end after an error."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what others print is no answer
    request = json.loads(sys.argv[2])
    pending = list(request["keys"])
    try:
        for answer in tasks[sys.argv[1]](request):
            if answer["key"] in pending:
                pending.remove(answer["key"])
            print(json.dumps(answer), file=answers, flush=True)
    except Exception as error:
        traceback.print_exc()
        why = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        print(json.dumps({"key": (pending or [""])[0], "error": why}), file=answers, flush=True)
    finally:
        sys.stderr.flush()
        os._exit(0)  # with a broken CUDA context Python's own exit may hang or abort
