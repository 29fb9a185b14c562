"""Parts, their record and their time limit, with parts that compute nothing."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from genretune.scripts.soaks.gpu.processes import Context, compared, same, twice
from genretune.scripts.soaks.gpu.record import Finding, OtherRecord, Record
from genretune.scripts.soaks.gpu.runner import Part, run_part

TASKS = """\
import os, sys, time

from genretune.scripts.soaks.gpu.processes import serve


def answers(request):
    for key in ["not asked for", *request["keys"]]:
        if key == "raises":
            raise RuntimeError("CUDA error:\\nsomething")
        if key == "dies":
            print("out of luck", file=sys.stderr, flush=True)
            os._exit(9)
        if key == "hangs":
            time.sleep(60)
        digest = str(os.getpid()) if key == "differs" else "equal"
        print("this is no answer")
        yield {"key": key, "digest": digest, "detail": ""}


serve({"answers": answers})
"""


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Children find the tasks above."""
    (tmp_path / "soak_tasks.py").write_text(TASKS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")  # must not reach a child


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def run(checks: list[str], capsys: pytest.CaptureFixture[str], seconds: float = 60.0) -> Any:
    def part(context: Context) -> Iterator[Finding]:
        yield from twice(context, "answers", checks, module="soak_tasks")

    record = Record()
    run_part(Part(part, ""), Context("part", "cpu", "tiny", record), seconds)
    found = {line["check"]: line for line in lines(capsys.readouterr().out)}
    return found, record.end()


def test_processes_are_compared_and_errors_cost_one_check_each(
    tasks: None, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = ["one", "raises", "two", "dies", "differs", "three"]
    found, passed = run(checks, capsys)
    assert list(found) == checks and not passed
    assert [found[c]["passed"] for c in checks] == [True, False, True, False, False, True]
    assert found["raises"]["detail"] == "RuntimeError: CUDA error: something"
    assert found["dies"]["detail"].startswith("no answer, exit code 9: out of luck")
    assert len(found["differs"]["detail"].split(", ")) == 2


def test_a_part_ends_when_its_time_is_over(tasks: None, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    found, passed = run(["one", "hangs", "two"], capsys, seconds=3.0)
    assert time.monotonic() - began < 30 and not passed
    assert list(found)[-1] == "time" and not found["time"]["passed"]
    assert "hangs" not in found and "two" not in found, "they are done by the next call"


def test_an_error_of_a_part_is_a_failed_check(capsys: pytest.CaptureFixture[str]) -> None:
    def part(context: Context) -> Iterator[Finding]:
        yield Finding("first", passed=True)
        raise ValueError("no\nway")

    record = Record()
    run_part(Part(part, ""), Context("part", "cpu", "tiny", record))
    first, second = lines(capsys.readouterr().out)
    assert first["passed"] and second["check"] == "the part itself"
    assert second["detail"] == "ValueError: no way" and not record.end()


def test_a_record_is_continued_and_failed_checks_are_done_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "folder" / "record.jsonl"
    record = Record(out)
    record.begin({"torch": "2.11"})
    record.add("part", Finding("good", passed=True, detail="why"), 1.234)
    record.add("part", Finding("bad", passed=False), 0.0)
    record.add("part", Finding("fast", measured={"ms": 3.0}), 0.0)
    record.add("part", Finding("other", skipped="needs a GPU"), 0.0)
    assert not record.end()
    written = lines(capsys.readouterr().out)
    assert lines(out.read_text()) == written
    assert written[0] == {"facts": {"torch": "2.11"}}
    good = {"part": "part", "check": "good", "passed": True, "seconds": 1.23, "detail": "why"}
    assert written[1] == good
    counts = {"passed": 1, "failed": 1, "measured": 1, "skipped": 1, "done before": 0}
    assert written[-1] == {"summary": counts}

    again = Record(out, quiet=True)
    again.begin({"torch": "2.11"})
    context = Context("part", "cpu", "tiny", again)
    assert context.open(["good", "bad", "fast", "other"]) == ["bad", "other"]
    assert again.held == 2 and again.measured("part") == {"fast": {"ms": 3.0}}
    assert again.end() and capsys.readouterr().out == ""
    with pytest.raises(OtherRecord, match=r"got other torch \(2.11, now 2.14\)"):
        Record(out).begin({"torch": "2.14"})


def test_what_differs_is_judged_or_reported() -> None:
    one, other = ({"key": "a", "digest": digest, "detail": ""} for digest in ("x", "y"))
    failed = {"key": "a", "error": "out of memory"}
    assert same("a", one, one).passed and not same("a", one, other).passed
    assert not same("a", one, failed).passed
    for answer, said in ((one, "same"), (other, "differs"), (failed, "no answer")):
        assert compared("a", one, answer).measured == {"bits": said}
