"""Checkpoint files: intact or absent, and exact after a round trip."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from genretune.tune.training.snapshot import Checkpoint, weights_digest
from genretune.tune.trial.checkpoint_file import (
    checkpoint_path,
    load_checkpoint,
    load_newest_checkpoint,
    save_checkpoint,
)


def checkpoint(epoch: int = 1) -> Checkpoint:
    history: tuple[dict[str, Any], ...] = tuple(
        {"epoch": k, "val_loss": 0.1 + 0.2, "weights_sha256": "x"} for k in range(1, epoch + 1)
    )
    return Checkpoint(
        history=history,
        model={"a.weight": torch.arange(6.0).reshape(2, 3), "a.count": torch.tensor(3)},
        optimizer={"0.exp_avg": torch.ones(2, 3, dtype=torch.bfloat16)},
        feature={"mean": torch.zeros(4, 1)},
    )


def equal(one: Checkpoint, other: Checkpoint) -> bool:
    return one.history == other.history and all(
        mine.keys() == theirs.keys()
        and all(torch.equal(mine[k], theirs[k]) and mine[k].dtype == theirs[k].dtype for k in mine)
        for mine, theirs in (
            (one.model, other.model),
            (one.optimizer, other.optimizer),
            (one.feature, other.feature),
        )
    )


def test_a_saved_checkpoint_loads_unchanged(tmp_path: Path) -> None:
    path = checkpoint_path(tmp_path, 2)
    save_checkpoint(checkpoint(2), path, mark="m")
    loaded = load_checkpoint(path)
    assert loaded is not None and equal(loaded, checkpoint(2)) and loaded.epoch == 2
    assert [p.name for p in tmp_path.iterdir()] == ["00002.safetensors"]
    assert "model.a.weight" in load_file(path)  # any safetensors reader can open it


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "header", "missing"])
def test_the_newest_intact_checkpoint_is_loaded(tmp_path: Path, damage: str) -> None:
    for epoch in (8, 9, 10):
        save_checkpoint(checkpoint(epoch), checkpoint_path(tmp_path, epoch), mark="m")
    newest = checkpoint_path(tmp_path, 10)
    content = bytearray(newest.read_bytes())
    if damage == "cut":
        newest.write_bytes(content[:-3])
    elif damage == "flipped":
        content[-1] ^= 1
        newest.write_bytes(content)
    elif damage == "empty":
        newest.write_bytes(b"")
    elif damage == "header":
        newest.write_bytes(content.replace(b"0.30000000000000004", b"0.30000000000000005", 1))
    else:
        newest.unlink()
    loaded = load_newest_checkpoint(tmp_path)
    assert loaded is not None and loaded.epoch == 9


def test_a_folder_without_a_checkpoint_has_none(tmp_path: Path) -> None:
    assert load_newest_checkpoint(tmp_path / "nothing") is None
    (tmp_path / "best.safetensors").write_bytes(b"x")
    assert load_newest_checkpoint(tmp_path) is None


def test_the_digest_depends_on_values_and_not_on_memory_format() -> None:
    model = nn.Conv2d(2, 3, 3)
    with torch.no_grad():
        model.weight.fill_(0.5)
        assert model.bias is not None
        model.bias.fill_(0.0)
    before = weights_digest(model)
    assert weights_digest(model.to(memory_format=torch.channels_last)) == before
    with torch.no_grad():
        model.weight[0, 0, 0, 0] = torch.nextafter(torch.tensor(0.5), torch.tensor(1.0))
    assert weights_digest(model) != before
    assert before == "653222bd768987649fd0cf9d80f4e1c217ffca21af63601f298e91cb4a3608ec"
