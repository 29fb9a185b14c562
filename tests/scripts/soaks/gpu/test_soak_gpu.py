"""The soak test of a GPU runs on the CPU at tiny sizes, so that on a GPU it fails for the GPU's
reasons only. What needs torch's CUDA is not covered: the part ``memory``, copies, streams.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from genretune.models.build import AUGMENTATIONS, FEATURES, MODELS
from genretune.scripts.soaks.gpu.__main__ import main
from genretune.scripts.soaks.gpu.cases import component_cases, network_cases
from genretune.scripts.soaks.gpu.parts import PARTS
from genretune.scripts.soaks.gpu.sizes import settings
from genretune.tune.training.losses import LOSSES
from genretune.tune.training.optimizers import OPTIMIZERS
from genretune.tune.training.resolve_config import trial_config

pytestmark = pytest.mark.integration

HIDDEN = """\
import sys
names = "ray optuna pyarrow soundfile soxr sklearn scipy librosa psutil pynvml filelock"
names += " platformdirs safetensors tabulate rich typer ruamel"
sys.modules.update(dict.fromkeys(names.split()))
"""
"""What a GPU machine may lack, hidden from every process that has this as sitecustomize."""


def soak(out: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "genretune.scripts.soaks.gpu", "--out", str(out), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | environment
    )


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a machine without Ray, Arrow and decoders."""
    site = tmp_path_factory.mktemp("site")
    (site / "sitecustomize.py").write_text(HIDDEN)
    return {"PYTHONPATH": str(site)}


@pytest.fixture(scope="module")
def whole(
    hidden: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A run of all parts, and its record."""
    out = tmp_path_factory.mktemp("soak") / "soak.jsonl"
    return out, soak(out, "--device", "cpu", "--size", "tiny", **hidden)


def test_every_part_of_a_trial_passes_without_ray_arrow_and_decoders(
    whole: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    out, done = whole
    assert done.returncode == 0, done.stdout + done.stderr
    assert out.read_text() == done.stdout, "each line stands in the record, too"
    first, *lines, last = map(json.loads, done.stdout.splitlines())
    facts = first["facts"]
    assert facts["torch"] and facts["python"] and facts["gpu"] is None
    assert {line["part"] for line in lines} == set(PARTS)
    checks = {(line["part"], line["check"]): line for line in lines}
    assert len(checks) == len(lines), "each check once"
    for part, table in (("models", network_cases), ("components", component_cases)):
        assert {(part, name) for name in table("tiny", "cpu")} <= set(checks)
        assert all(checks[part, name]["passed"] for name in table("tiny", "cpu"))
    skipped = {line["part"]: line["skipped"] for line in lines if "skipped" in line}
    assert set(skipped) == {"models", "memory", "sweep", "quarters", "workers"}
    assert skipped["memory"] == "needs a GPU" and skipped["sweep"].startswith("not installed: ray")
    assert last["summary"]["failed"] == 0 and last["summary"]["passed"] > 70


def test_a_later_call_does_what_is_left(
    whole: tuple[Path, subprocess.CompletedProcess[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = whole
    text = out.read_text()
    missing = next(line for line in text.splitlines() if "optimizer SGD" in line)
    out.write_text(text.replace(missing + "\n", "") + '{"part": "torn')
    tiny = ["--out", str(out), "--device", "cpu", "--size", "tiny"]
    assert main([*tiny, "--part", "components"]) == 0
    line, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert line["check"] == "optimizer SGD" and line["detail"] == json.loads(missing)["detail"]
    assert summary["summary"]["passed"] == 1 and summary["summary"]["done before"] > 70
    assert main([*tiny, "--size", "full", "--part", "class"]) == 2
    assert "got other size (tiny, now full)" in capsys.readouterr().err


def test_what_cannot_be_run_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["--part", "modles"]) == 2
    assert "--part: must be one of class, models, " in capsys.readouterr().err
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert main(["--part", "class"]) == 2
    assert capsys.readouterr().err == (
        "scripts/soak gpu: device: cuda needs a GPU that torch can use, got none here "
        "(--device cpu --size tiny runs what needs none)\n"
    )


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_sweeps_and_workers_on_the_cpu(tmp_path: Path) -> None:
    parts = [word for part in ("sweep", "quarters", "workers") for word in ("--part", part)]
    done = soak(tmp_path / "soak.jsonl", "--device", "cpu", "--size", "tiny", *parts)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()[1:-1]]
    passed = {(line["part"], line["check"]) for line in lines if line.get("passed")}
    for part in ("sweep", "quarters"):
        assert {(part, "killed and resumed"), (part, "replay best")} <= passed
    assert {("workers", "SIGKILL"), ("workers", "SIGSTOP"), ("workers", "sweep ends")} <= passed


def test_the_full_size_has_every_component_and_valid_settings() -> None:
    networks, components = network_cases("full", "cuda"), component_cases("full", "cuda")
    for precision in ("fp32", "tf32", "bf16"):
        assert {f"{name} {precision}" for name in MODELS} <= set(networks)
    text = "\n".join(components)
    for name in (*FEATURES, *AUGMENTATIONS, *LOSSES, *OPTIMIZERS):
        assert f" {name}" in text
    changes: dict[str, Any]
    for changes in (*networks.values(), *components.values()):
        trial_config(settings("full", "cuda", **changes))
