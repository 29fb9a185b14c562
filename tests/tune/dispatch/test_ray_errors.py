"""Ray's error texts in one line."""

from pathlib import Path

import pytest

from genretune.tune.dispatch.ray_errors import LOST, first_line, last_line, why_lost


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Failure # 1 (occurred at 2026-01-01)\nThe actor died unexpectedly.\n\tclass_name: X\n"
            "The actor is dead because its worker process has died: code 9.\n",
            "The actor died unexpectedly. The actor is dead because its worker process has died: "
            "code 9.",
        ),
        (
            "Failure # 1 (occurred at x)\nold\nFailure # 2 (occurred at y)\n"
            "ray::ImplicitFunc.train() (pid=1)\n  File ...\nStorageFailure: /run: got no space\n\n",
            "StorageFailure: /run: got no space",
        ),
        ("Failure # 1 (occurred at x)\n\n", LOST),
        ("", LOST),
    ],
)
def test_the_last_failure_becomes_one_line(text: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "error.txt"
    path.write_text(text)
    assert why_lost(path) == expected


def test_a_missing_error_file_leaves_the_reason_open(tmp_path: Path) -> None:
    assert why_lost(tmp_path / "none") == LOST


def test_first_and_last_line_of_an_error() -> None:
    error = RuntimeError("\nray::task() failed\n  File x\nValueError: bad\n")
    assert first_line(error) == "ray::task() failed"
    assert last_line(error) == "ValueError: bad"
    assert first_line(TimeoutError()) == last_line(TimeoutError()) == "TimeoutError"
