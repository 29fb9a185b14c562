"""Checks that a trial can be built, without the memory and the time of building it."""

import torch
from torch import nn

from genretune.data.batches import labels
from genretune.data.splits.fold_windows import FoldWindows, fold_windows
from genretune.data.windows import Clips, window_length
from genretune.models.build import feature_shape
from genretune.tune.errors import TuneError
from genretune.tune.training.components import Plugins, build_network
from genretune.tune.training.config import TrialConfig
from genretune.tune.training.losses import build_loss
from genretune.tune.training.lr_schedule import LrSchedule
from genretune.tune.training.optimizers import build_optimizer


def windows_of_fold(config: TrialConfig, store: Clips) -> FoldWindows:
    """Return the training and validation windows of a trial.

    Raises:
        DataError: the corpus cannot be split as configured.
    """
    data = config.data
    return fold_windows(store, split=data.split, window=data.window, exclude=data.exclude)


def check_components(
    config: TrialConfig, store: Clips, fold: FoldWindows, plugins: Plugins | None = None
) -> None:
    """Check that a trial's components are compatible with each other and with the data.

    Builds them with the model on torch's ``meta`` device, which allocates no memory, and the
    optimizer on a single parameter.

    Raises:
        TuneError, DataError, ModelError: the components are not compatible.
    """
    samples = window_length(config.data.window, store.sample_rate)
    classes = len(store.classes)
    feature, model = build_network(
        config, classes=classes, samples=samples, plugins=plugins, model_device="meta"
    )
    windows = len(fold.train)
    target = labels(store, fold.train)
    build_loss(config.loss, class_sizes=torch.bincount(target, minlength=classes))
    steps = -(-windows // config.batch_size)
    optimizer = build_optimizer(config.optimizer, [nn.Parameter(torch.zeros(1))])
    LrSchedule(config.lr_scheduler, optimizer, steps_per_epoch=steps, epochs=config.epochs)
    if windows - (steps - 1) * config.batch_size == 1:
        _check_one_window(config, model, feature_shape(feature, channels=1, samples=samples))


def _check_one_window(config: TrialConfig, model: nn.Module, shape: tuple[int, int, int]) -> None:
    """Raise TuneError if batch normalisation fails on a last batch of one window.

    It cannot normalise a single value per channel, which is what remains of one window where the
    network has reduced its image to 1 x 1.
    """
    # Training mode for batch normalisation only, which then takes statistics of the batch.
    model.eval()
    for module in model.modules():
        module.training = isinstance(module, nn.modules.batchnorm._BatchNorm)
    try:
        model(torch.empty(1, *shape, device="meta"))
    except ValueError as error:
        if "more than 1 value per channel" in str(error):
            raise TuneError(
                "batch_size: must not leave a last batch of one window, which batch "
                f"normalisation cannot process at this input size, got {config.batch_size} "
                "(choose another batch size or larger images)"
            ) from error
        raise
    except RuntimeError:
        pass  # a plug-in that reads values of tensors, which do not exist on the meta device
