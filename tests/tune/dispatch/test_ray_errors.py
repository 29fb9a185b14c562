"""What is told of a segment that Ray lost."""

from pathlib import Path

import pytest

from genretune.tune.dispatch.ray_errors import LOST, why_lost


@pytest.mark.parametrize(
    ("text", "told"),
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
def test_the_last_failure_is_told_in_a_line(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "error.txt"
    path.write_text(text)
    assert why_lost(path) == told


def test_without_a_file_nothing_more_is_known(tmp_path: Path) -> None:
    assert why_lost(tmp_path / "none") == LOST
