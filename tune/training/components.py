"""The components of a trial, built from its configuration: data, network, loss, optimizer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from genretune.data.batches import ResidentSamples, labels, max_offsets
from genretune.data.errors import DataError
from genretune.data.splits.fold_windows import fold_windows
from genretune.data.windows import Clips, WindowSet, window_hop, window_length
from genretune.models.augment import Mixup, SpecAugment
from genretune.models.build import build_augment, build_feature, build_model, feature_shape
from genretune.models.errors import ModelError
from genretune.models.layers import Shape, sent_ahead, to_device
from genretune.models.plugins import merge
from genretune.tune.errors import TuneError
from genretune.tune.reproducibility.literals import Device
from genretune.tune.reproducibility.seeds import derive, initialise, isolated
from genretune.tune.training.config import TrialConfig
from genretune.tune.training.losses import Loss, build_loss
from genretune.tune.training.lr_schedule import LrSchedule
from genretune.tune.training.optimizers import build_optimizer
from genretune.tune.training.waveforms import PREFETCH, Rows, Waveforms, resident_samples

CPU_MICRO_BATCH = 8
"""Windows whose activations fit the caches of one core; 4 to 16 are about as fast."""

Plugins = Mapping[str, Any]


@dataclass(frozen=True)
class FoldSubset:
    """The training or the validation windows of a fold, with their classes.

    Attributes:
        target: class of each window, int64 [N], on the CPU.
        max_offset: samples by which each window may be shifted in training, int64 [N].
    """

    windows: WindowSet
    target: Tensor
    max_offset: Tensor

    def __len__(self) -> int:
        return len(self.windows)


@dataclass(frozen=True)
class Components:
    """Everything that a trial's training and evaluation use.

    Attributes:
        samples: length of one window in samples.
        image_shape: (C, F, T) of the feature's image of one window.
        resident: the samples of all windows, if they lie on the trial's device.
    """

    config: TrialConfig
    store: Clips
    train: FoldSubset
    validation: FoldSubset
    samples: int
    image_shape: Shape
    waveform_augment: dict[str, nn.Module]
    spectrogram_augment: dict[str, nn.Module]
    mixup: Mixup | None
    feature: nn.Module
    model: nn.Module
    loss: Loss
    optimizer: Optimizer
    schedule: LrSchedule
    device: torch.device
    resident: ResidentSamples | None

    def waveforms(self, subset: FoldSubset) -> Waveforms:
        """Return a reader of the subset's waveforms, for one pass over it."""
        return Waveforms(
            self.store,
            subset.windows,
            length=self.samples,
            resident=self.resident,
            send=self.send,
            send_ahead=partial(sent_ahead, device=self.device, depth=PREFETCH),
        )

    def in_order(self, subset: FoldSubset, *, full: bool = False) -> Iterator[tuple[Rows, Tensor]]:
        """Yield all rows of a subset with their waveforms, in batches of ``eval_batch_size``.

        Args:
            full: fill the last batch up with its last window. How a row is rounded depends on the
                size of its batch, not on the other rows: with one size, ``predict`` gives a clip
                the bits of its validation.
        """
        waveforms, size = self.waveforms(subset), self.config.eval_batch_size
        count = len(subset)
        length = -(-count // size) * size if full else count
        filled = self.rows(np.minimum(np.arange(length), count - 1))
        waveforms.expect((rows.host, None) for rows in filled.split(size))
        for rows, batch in zip(filled[:count].split(size), filled.split(size), strict=True):
            yield rows, waveforms.read(batch)

    def rows(self, numbers: NDArray[np.int64]) -> Rows:
        """Return the numbers of rows [B], for use on the CPU and on the trial's device."""
        return Rows(numbers, self.send(torch.from_numpy(numbers)))

    def send(self, tensor: Tensor) -> Tensor:
        """Return ``tensor`` on the trial's device."""
        return to_device(tensor, self.device)


def torch_device(name: Device) -> torch.device:
    """Return the device that a trial's tensors lie on."""
    return torch.device(name)


def build_components(
    config: TrialConfig,
    store: Clips,
    plugins: Plugins | None = None,
    *,
    statistics: Mapping[str, Tensor] | None = None,
) -> Components:
    """Build a trial's components from its configuration and its samples.

    Args:
        statistics: state of the trial's feature, if it has statistics that are known already; else
            they are computed on the training windows.

    Raises:
        TuneError, DataError, ModelError: the configuration is inconsistent or does not suit the
            data.
    """
    _check_samples(config, store)
    samples = window_length(config.data.window, store.sample_rate)
    train, validation = _fold_subsets(config, store, samples)
    device = torch_device(config.device)
    feature, model = build_network(
        config, classes=len(store.classes), samples=samples, plugins=plugins
    )
    _check_feature(feature)
    image_shape = feature_shape(feature, channels=1, samples=samples)
    # On the CPU, before the move: a GPU's generator draws other values from the same seed.
    initialise(model, config.seed)
    feature, model = feature.to(device), model.to(device)
    if config.memory_format == "channels_last":
        model = model.to(memory_format=torch.channels_last)
    sizes = torch.bincount(train.target, minlength=len(store.classes)).to(device)
    optimizer = build_optimizer(config.optimizer, model.parameters())
    augment = build_augment(config.augment)
    components = Components(
        config=config,
        store=store,
        train=train,
        validation=validation,
        samples=samples,
        image_shape=image_shape,
        waveform_augment={k: m for k, m in augment.items() if m.domain == "waveform"},
        spectrogram_augment={k: m for k, m in augment.items() if m.domain == "spectrogram"},
        mixup=next((m for m in augment.values() if isinstance(m, Mixup)), None),
        feature=feature,
        model=model,
        loss=build_loss(config.loss, class_sizes=sizes),
        optimizer=optimizer,
        schedule=_schedule(config, optimizer, len(train)),
        device=device,
        resident=resident_samples(
            store, (train.windows, validation.windows), device, partial(to_device, device=device)
        ),
    )
    if statistics:
        feature.load_state_dict(dict(statistics))
    else:
        _fit_feature(components)
    return components


def build_network(
    config: TrialConfig,
    *,
    classes: int,
    samples: int,
    plugins: Plugins | None = None,
    model_device: str = "cpu",
) -> tuple[nn.Module, nn.Module]:
    """Return a trial's feature and model, with weights not yet initialised from the seed.

    Args:
        samples: length of one window.
        model_device: ``meta`` builds the model without allocating memory, to check it.

    Raises:
        ModelError: the model cannot take the input, or ``micro_batch_size`` is set for a network
            with batch normalisation.
    """
    models, features = merge((plugins or {}).values())
    # Constructors draw initial weights too. They are replaced later, but must not advance the
    # generator of the process.
    with isolated(derive(config.seed, "construction")):
        feature = build_feature(config.feature, sample_rate=config.data.sample_rate, extra=features)
        shape = feature_shape(feature, channels=1, samples=samples)
        for augment in build_augment(config.augment).values():
            if isinstance(augment, SpecAugment):
                augment.check(shape)
        with torch.device(model_device):
            model = build_model(config.model, classes=classes, input_shape=shape, extra=models)
    if config.micro_batch_size is not None and has_batch_norm(model):
        raise ModelError(
            "micro_batch_size: must be null for a network with batch normalisation, got "
            f"{config.micro_batch_size} for {config.model['name']} (remove it)"
        )
    return feature, model


def with_automatic_micro_batch(config: TrialConfig, plugins: Plugins | None) -> TrialConfig:
    """Resolve ``micro_batch_size: auto``: ``CPU_MICRO_BATCH`` on a CPU, else the whole batch.

    Networks with batch normalisation also get the whole batch: micro-batches would change its
    statistics.
    """
    if config.device != "cpu" or config.batch_size <= CPU_MICRO_BATCH:
        return config
    samples = window_length(config.data.window, config.data.sample_rate)
    _, model = build_network(
        config, classes=2, samples=samples, plugins=plugins, model_device="meta"
    )
    if has_batch_norm(model):
        return config
    return config.model_copy(update={"micro_batch_size": CPU_MICRO_BATCH})


def _check_samples(config: TrialConfig, store: Clips) -> None:
    if store.samples_digest != config.data.samples:
        raise TuneError(
            f"data.samples: must be the digest of the corpus, got {config.data.samples[:12]}... "
            f"for a corpus of {store.samples_digest[:12]}... (open the corpus "
            "that the trial was configured for)"
        )


def _schedule(config: TrialConfig, optimizer: Optimizer, windows: int) -> LrSchedule:
    steps = -(-windows // config.batch_size)
    return LrSchedule(config.lr_scheduler, optimizer, steps_per_epoch=steps, epochs=config.epochs)


def _fold_subsets(config: TrialConfig, store: Clips, samples: int) -> tuple[FoldSubset, FoldSubset]:
    """Return training and validation of the trial's fold."""
    window = config.data.window
    fold = fold_windows(store, split=config.data.split, window=window, exclude=config.data.exclude)
    hop = window_hop(window, store.sample_rate)
    train = _fold_subset(store, fold.train, samples, hop)
    return train, _fold_subset(store, fold.validation, samples, hop)


def _fold_subset(store: Clips, windows: WindowSet, samples: int, hop: int) -> FoldSubset:
    if len(windows) == 0:
        raise DataError(
            "data.split: training and validation must both have windows, got none in one of them "
            "(add clips)"
        )
    max_offset = torch.from_numpy(max_offsets(store, windows, length=samples, hop=hop))
    return FoldSubset(windows=windows, target=labels(store, windows), max_offset=max_offset)


def has_batch_norm(model: nn.Module) -> bool:
    """Return whether a window's output depends on the other windows of its batch."""
    return any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in model.modules())


def needs_statistics(feature: nn.Module) -> bool:
    """Return whether the feature is normalised by statistics of the training set."""
    return bool(getattr(feature, "needs_statistics", False))


def _check_feature(feature: nn.Module) -> None:
    if trained := [name for name, value in feature.named_parameters() if value.requires_grad]:
        raise ModelError(
            f"feature.{trained[0]}: must not be trained, since features are computed without "
            "gradients (register a buffer, or put the layer into the model)"
        )


def _fit_feature(components: Components) -> None:
    """Fit the feature to the training windows if it needs their statistics."""
    if not needs_statistics(components.feature):
        return
    with torch.no_grad():
        components.feature.fit(x_BCS for _, x_BCS in components.in_order(components.train))  # type: ignore[operator]
