import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from genretune.scripts.cli import run

PLUGIN = """
import torch
from torch import Tensor, nn

class Thin(nn.Module):
    def __init__(self, *, classes: int, input_shape: tuple[int, int, int], scale: float) -> None:
        super().__init__()
        self.fc = nn.Linear(input_shape[1], classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.mean((1, 3)))

class Frames(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (25, -1))

MODELS = {"thin": Thin}
FEATURES = {"frames": Frames}
"""


def facts(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert run([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_all_models_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    rows = facts(capsys, "models")
    by_name = {row["name"]: row for row in rows}
    assert all(
        set(row) == {"name", "parameters", "defaults", "input_shape", "mflops"} for row in rows
    )
    assert by_name["cnn"]["parameters"] == 771264
    assert by_name["cnn"]["input_shape"] == [1, 513, 130]
    assert by_name["cnn"]["defaults"]["filters"] == [32, 64, 128, 256, 128]
    assert by_name["resnext101_64x8d"]["parameters"] == 170647754
    assert by_name["resnet18"]["mflops"] > by_name["cnn"]["mflops"] > 1000


def test_set_changes_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = facts(
        capsys, "models", "--name", "cnn", "--set", "reduction=[32,null,32,32,null]",
        "--set", "pool=gap", "--seconds", "1.5", "--feature", "melspec", "--classes", "4",
    )  # fmt: skip
    assert row["defaults"]["reduction"] == [32, None, 32, 32, None]
    assert row["defaults"]["pool"] == "gap"
    assert row["input_shape"] == [1, 128, 65]


def test_features_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = facts(capsys, "features", "--name", "melspec", "--set", "n_mels=64")
    assert row["defaults"]["n_mels"] == 64
    assert (row["input_shape"], row["output_shape"]) == ([1, 66150], [1, 64, 130])
    names = [row["name"] for row in facts(capsys, "features")]
    assert names == ["rawspec", "powerspec", "logspec", "melspec", "mfcc", "lfcc", "imfcc"]


def test_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "--name", "cnn"]) == 0
    out = capsys.readouterr().out
    assert "771,264" in out and "one of flatten, gap" in out
    assert all(line == line.rstrip() for line in out.splitlines())
    assert run(["features"]) == 0
    assert "1 x 513 x 130" in capsys.readouterr().out


def test_plugins_are_listed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    arguments = ["models", "--plugin", str(path), "--feature", "frames", "--seconds", "1"]
    (row,) = facts(capsys, *arguments, "--name", "thin", "--set", "scale=2")
    assert (row["parameters"], row["input_shape"]) == (260, [1, 25, 882])
    assert run([*arguments, "--name", "thin"]) == 2
    assert "model.scale: must be a number, got nothing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["models", "--name", "cn"], "did you mean 'cnn'?"),
        (["models", "--name", "cnn", "--set", "reduction=64"], "block 1 has 32), got 64"),
        (["models", "--name", "cnn", "--set", "reductoin=8"], "did you mean 'reduction'?"),
        (["models", "--set", "reduction=8"], "--set needs --name"),
        (["models", "--name", "cnn", "--set", "reduction"], "--set must be key=value"),
        (["models", "--feature", "melspek"], "did you mean 'melspec'?"),
        (["features", "--name", "mfcc", "--set", "n_mfcc=200"], "must be at most n_mels, 128"),
        (["features", "--seconds", "0.5", "--name", "powerspec", "--set", "n_fft=65536"], "n_fft"),
        (["features", "--plugin", "/none.py"], "must be a readable Python file"),
    ],
)
def test_errors_are_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    err = capsys.readouterr().err
    assert words in err
    assert len(err.splitlines()) == 1


def test_help_needs_no_torch() -> None:
    code = (
        "import sys; from genretune.scripts.cli import run; run(['models', '--help']); "
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Example: genretune models" in done.stdout
