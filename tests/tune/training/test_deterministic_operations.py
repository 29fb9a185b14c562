"""No operation of a step, forward or backward, is without a deterministic CUDA implementation.

Recorded on a CPU, on the branches that CUDA takes. Which kernel an operation becomes is torch's and
cuDNN's matter: that convolutions take deterministic ones is a setting, which the levels set.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from genretune.data.store import Store
from genretune.models import cnn, lcnn, resnet
from genretune.models.build import AUGMENTATIONS, FEATURES, MODELS, build_feature, build_model
from genretune.models.dropout import seed_dropout
from genretune.models.pooling import max_pool_on_cuda
from genretune.tune.training.components import build_components
from genretune.tune.training.epoch import evaluate, train_epoch
from genretune.tune.training.losses import LOSSES
from genretune.tune.training.resolve_config import trial_config
from tests.fake_cuda import operation
from tests.nondeterministic_operations import (
    DOCUMENTED,
    HARMLESS,
    NONDETERMINISTIC,
    nondeterministic,
)

Tiny = Callable[..., dict[str, Any]]


class _Recorder(TorchDispatchMode):
    """Records the names of aten operations."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        self.operations.add(operation(func))
        return func(*args, **(kwargs or {}))


@pytest.fixture(autouse=True)
def branches_of_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    for architecture in (cnn, lcnn, resnet):
        monkeypatch.setattr(architecture, "max_pool", max_pool_on_cuda)


def test_the_list_is_that_of_the_installed_torch() -> None:
    text = str(torch.use_deterministic_algorithms.__doc__)
    text = text[text.index("if only nondeterministic") :]
    raising = text[text.index(":class:`RuntimeError` when ``mode=True``:") :]
    raising = raising[: raising.index("In addition, several operations")]
    assert {*re.findall(r"^ +\* :\w+:`([\w.]+)`", raising, re.MULTILINE)} == {*DOCUMENTED}
    assert {*HARMLESS} <= NONDETERMINISTIC


@pytest.mark.parametrize("name", sorted(NONDETERMINISTIC))
def test_the_list_has_names_of_operations(name: str) -> None:
    assert hasattr(torch.ops.aten, name)


@pytest.mark.parametrize(
    ("layer", "shape", "found"),
    [
        (nn.AdaptiveAvgPool2d(2), (1, 1, 4, 4), "_adaptive_avg_pool2d_backward"),
        (nn.ReflectionPad1d(1), (1, 1, 4), "reflection_pad1d_backward"),
        (lambda x: x.kthvalue(1).values, (1, 4), "kthvalue"),
    ],
)
def test_an_operation_of_the_list_is_found(
    layer: Callable[[Tensor], Tensor], shape: tuple[int, ...], found: str
) -> None:
    with _Recorder() as recorder:
        layer(torch.zeros(shape, requires_grad=True)).sum().backward()
    assert nondeterministic(recorder.operations) == {found}


@pytest.mark.usefixtures("no_initial_weights")
@pytest.mark.parametrize("name", MODELS)
def test_models(name: str) -> None:
    config = {"name": name, "reduction": 4, "fc_dropout": 0.3}
    # fake tensors on the CPU: the largest networks take no memory and little time
    with FakeTensorMode(), _Recorder() as recorder:
        model = build_model(config, classes=3, input_shape=(1, 32, 32)).train()
        seed_dropout(model, lambda layer: 1)
        recorder.operations.clear()
        model(torch.zeros(2, 1, 32, 32)).sum().backward()
    assert {"convolution_backward", "mm"} <= recorder.operations
    assert nondeterministic(recorder.operations) == set()


@pytest.mark.usefixtures("no_initial_weights")
def test_patches_that_overlap_are_not_pooled_by_torch() -> None:
    with FakeTensorMode(), _Recorder() as recorder:
        model = build_model({"name": "resnet18"}, classes=3, input_shape=(1, 32, 32))
        model(torch.zeros(2, 1, 32, 32)).sum().backward()
    assert "convolution_backward" in recorder.operations
    assert not {name for name in recorder.operations if "max_pool" in name}


@pytest.mark.parametrize("normalize", [None, "window", "statistics"])
@pytest.mark.parametrize("name", FEATURES)
def test_features(name: str, normalize: str | None) -> None:
    feature = build_feature({"name": name, "normalize": normalize}, sample_rate=22050)
    waveforms = torch.zeros(2, 1, 2000)
    with torch.no_grad(), _Recorder() as recorder:
        feature.fit([waveforms])  # type: ignore[operator]
        feature(waveforms)
    assert "_fft_r2c" in recorder.operations
    assert nondeterministic(recorder.operations) == set()


STEPS: dict[str, dict[str, Any]] = {
    "statistics": {"feature": {"name": "melspec", "n_mels": 16, "normalize": "statistics"}},
    **{name: {"augment": {name: {}}} for name in AUGMENTATIONS},
    **{name: {"loss": {"name": name, "class_weights": "balanced"}} for name in LOSSES},
    "smoothing": {"loss": {"name": "CrossEntropyLoss", "label_smoothing": 0.1}},
    "clipping": {"clip_grad_norm": 1.0, "optimizer": {"name": "AdamW"}},
}


@pytest.mark.parametrize("case", STEPS)
def test_an_epoch(store: Store, tiny: Tiny, case: str) -> None:
    settings = tiny(device="cpu", batch_size=100) | STEPS[case]
    components = build_components(trial_config(settings), store)
    with _Recorder() as recorder:
        train_epoch(components, 1)
        evaluate(components, components.validation)
    # the scores are computed on the CPU and count with bincount, without weights
    assert nondeterministic(recorder.operations - {"bincount"}) == set()
