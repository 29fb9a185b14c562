"""Resolution of a trial's settings: automatic values and settings that are refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from genretune.tune.errors import TuneError
from genretune.tune.samplers.sampler import build_sampler
from genretune.tune.space.load import load_space
from genretune.tune.training.config import FIRST_RULES, RULES
from genretune.tune.training.memory_estimate import estimate_peak_memory
from genretune.tune.training.resolve_config import trial_config

Tiny = Callable[..., dict[str, Any]]

SPACES = Path(__file__).parents[3] / "search_spaces"


def test_automatic_micro_batches_need_a_network_without_batch_normalisation(tiny: Tiny) -> None:
    auto = {"micro_batch_size": "auto", "batch_size": 64, "device": "cpu"}
    assert trial_config(tiny(**auto)).micro_batch_size == 8
    assert trial_config(tiny(**auto, model={"name": "resnet18"})).micro_batch_size is None
    assert trial_config(tiny(**auto | {"batch_size": 8})).micro_batch_size is None


@pytest.mark.parametrize("key", ["micro_batch_size", "eval_batch_size"])
def test_on_a_cpu_automatic_sizes_are_those_of_a_file_without_them_or_of_a_cpu(
    tiny: Tiny, key: str
) -> None:
    usual = trial_config(tiny(device="cpu", batch_size=64))
    assert (usual.micro_batch_size, usual.eval_batch_size) == (None, 16)
    auto = trial_config(tiny(device="cpu", batch_size=64, **{key: "auto"}))
    assert auto.model_dump() == usual.model_dump() | (
        {"micro_batch_size": 8} if key == "micro_batch_size" else {}
    )


@pytest.mark.parametrize(
    ("given", "sizes"),
    [
        ({}, (None, 16)),
        ({"micro_batch_size": "auto"}, (None, 16)),
        ({"eval_batch_size": "auto"}, (None, 128)),
        ({"micro_batch_size": "auto", "eval_batch_size": "auto"}, (None, 128)),
        ({"eval_batch_size": "auto", "micro_batch_size": 12}, (12, 24)),
        ({"eval_batch_size": "auto", "micro_batch_size": 100}, (100, 128)),
        ({"eval_batch_size": "auto", "batch_size": 4}, (None, 16)),
        ({"eval_batch_size": "auto", "batch_size": 1000}, (None, 256)),
        ({"eval_batch_size": 40, "micro_batch_size": 8}, (8, 40)),
    ],
)
def test_on_a_gpu_automatic_sizes_are_large(
    tiny: Tiny, given: dict[str, Any], sizes: tuple[int | None, int]
) -> None:
    config = trial_config(tiny(device="cuda", **{"batch_size": 64} | given))
    assert (config.micro_batch_size, config.eval_batch_size) == sizes


@pytest.mark.parametrize("key", ["micro_batch_size", "eval_batch_size", "batch_size"])
def test_other_words_than_auto_are_refused(tiny: Tiny, key: str) -> None:
    word = "auto" if key == "batch_size" else "all"
    with pytest.raises(TuneError, match=f"^{key}: "):
        trial_config(tiny(**{key: word}))


@pytest.mark.parametrize("model", ["cnn", "resnet18", "lcnn4", "lcnn9"])
def test_evaluation_in_automatic_batches_needs_no_more_memory_than_training(
    tiny: Tiny, model: str
) -> None:
    def memory(size: object) -> int | None:
        settings = tiny(device="cuda", batch_size=64, model={"name": model}, eval_batch_size=size)
        settings["data"]["window"] = {"seconds": 3.0}
        feature = {"name": "logspec", "n_fft": 1024}
        return estimate_peak_memory(trial_config(settings | {"feature": feature}), classes=10)

    assert memory("auto") == memory(1)


@pytest.mark.parametrize(
    ("name", "micro_batch"),
    [
        ("augmentation", 8),
        ("paper", None),
        ("quickstart", None),
        ("reduction", 8),
        ("resnet", None),
        ("se_cnn", 8),
    ],
)
def test_shipped_spaces_have_the_same_sizes_on_a_cpu_as_ever(
    name: str, micro_batch: int | None
) -> None:
    space = load_space(SPACES / f"{name}.yaml")
    data = {"samples": "0" * 64, "split": space.data.split, "window": space.data.window}
    parameters = build_sampler(space).configuration(0, 0, ())
    settings = space.configure(parameters) | {"seed": 0, "data": data}
    cpu, gpu = (trial_config(settings | {"device": device}) for device in ("cpu", "cuda"))
    assert (cpu.micro_batch_size, cpu.eval_batch_size) == (micro_batch, 16)
    assert (gpu.micro_batch_size, gpu.eval_batch_size) == (None, 2 * gpu.batch_size)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": {"name": "SGD", "nesterov": True}}, "optimizer: SGD: Nesterov"),
        (
            {
                "optimizer": {"name": "Adagrad"},
                "lr_scheduler": {"name": "OneCycleLR"},
            },
            "lr_scheduler: OneCycleLR on Adagrad",
        ),
        ({"best": {"metric": "val_accuracy"}}, "best.metric: .*did you mean 'val_clip_accuracy'"),
        ({"epoch": 3}, r"epoch: unknown key \(did you mean 'epochs'\?\)"),
        ({"precision": "tf32", "device": "cpu"}, "precision: tf32 needs device cuda, got cpu"),
        ({"model": "cnn"}, "model: must be a mapping with a name, got 'cnn'"),
    ],
)
def test_invalid_settings_are_reported_by_key(
    tiny: Tiny, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(TuneError, match=message):
        trial_config(tiny(**changes))


@pytest.mark.parametrize("value", [50.0, 5e1, "50", True, float("inf")])
@pytest.mark.parametrize(
    "key", ["epochs", "batch_size", "micro_batch_size", "eval_batch_size", "threads", "seed"]
)
def test_whole_numbers_are_whole_numbers(tiny: Tiny, key: str, value: object) -> None:
    """A file's ``epochs: 5e1`` built the lr scheduler of a trial of one epoch."""
    with pytest.raises(TuneError) as error:
        trial_config(tiny(lr_scheduler={"name": "CosineAnnealingLR"}) | {key: value})
    (line,) = str(error.value).splitlines()
    assert line.startswith(f"{key}: must be a whole number, got ")


@pytest.mark.parametrize("value", [float("inf"), float("nan"), "1.0", True])
def test_numbers_are_finite_numbers(tiny: Tiny, value: object) -> None:
    with pytest.raises(TuneError, match=r"^clip_grad_norm: must be a (finite )?number, got "):
        trial_config(tiny(clip_grad_norm=value))
    assert trial_config(tiny(clip_grad_norm=1)).clip_grad_norm == 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threads": 2}, "threads 1 and precision fp32, got cpu, 2, fp32"),
        ({"precision": "bf16"}, "threads 1 and precision fp32, got cpu, 1, bf16"),
        ({"optimizer": {"name": "RMSprop"}}, "supports Adam, AdamW and SGD only, got RMSprop"),
    ],
)
def test_portable_refuses_settings_without_portable_results(
    tiny: Tiny, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(TuneError, match=f"determinism: portable .*{message}"):
        trial_config(tiny(determinism="portable", device="cpu", **changes))


@pytest.mark.parametrize("schedule", [{"name": "OneCycleLR"}, {"name": "CyclicLR", "base_lr": 0.0}])
def test_a_peak_is_the_optimizers_learning_rate(tiny: Tiny, schedule: dict[str, Any]) -> None:
    adam = {"optimizer": {"name": "AdamW"}}
    by_schedule = trial_config(tiny(**adam, lr_scheduler=schedule | {"max_lr": 0.03}))
    by_optimizer = trial_config(
        tiny(optimizer={"name": "AdamW", "lr": 0.03}, lr_scheduler=schedule)
    )
    assert by_schedule == by_optimizer
    assert by_schedule.optimizer["lr"] == 0.03 and by_schedule.lr_scheduler["max_lr"] is None
    assert trial_config(by_schedule.model_dump(mode="json")) == by_schedule
    with pytest.raises(TuneError, match="lr_scheduler.max_lr: must be null beside optimizer.lr"):
        trial_config(
            tiny(optimizer={"name": "AdamW", "lr": 0.1}, lr_scheduler=schedule | {"max_lr": 0.03})
        )


def test_a_config_without_rules_is_one_of_before_they_were_named(tiny: Tiny) -> None:
    now = trial_config(tiny())
    assert now.rules == RULES and json.loads(now.canonical())["rules"] == RULES
    before = {key: value for key, value in now.model_dump(mode="json").items() if key != "rules"}
    read = trial_config(before)
    assert read.rules == FIRST_RULES
    assert json.loads(read.canonical()) == before, "its signature stays"
    old = before | {
        "optimizer": before["optimizer"] | {"lr": 0.5},
        "lr_scheduler": {"name": "OneCycleLR", "max_lr": 0.1, "warmup_epochs": 0},
    }
    assert trial_config(old).lr_scheduler["max_lr"] == 0.1
