"""Whether a trial can be built, found out without the memory and the time that it takes."""

import torch
from torch import nn

from genretune.data.batches import labels
from genretune.data.splits import FoldWindows, fold_windows
from genretune.data.store import Store
from genretune.data.windows import window_length
from genretune.models.build import feature_shape
from genretune.tune.errors import TuneError
from genretune.tune.training.components import Plugins, build_network
from genretune.tune.training.config import TrialConfig
from genretune.tune.training.losses import build_loss
from genretune.tune.training.lr_schedule import LrSchedule
from genretune.tune.training.optimizers import build_optimizer


def windows_of_fold(config: TrialConfig, store: Store) -> FoldWindows:
    """The windows that train and validate.

    Raises:
        DataError: the corpus cannot be split so.
    """
    data = config.data
    return fold_windows(store, split=data.split, window=data.window, exclude=data.exclude)


def check_fit(
    config: TrialConfig, store: Store, fold: FoldWindows, plugins: Plugins | None = None
) -> None:
    """See that a trial's parts fit each other and the data, as far as building them can tell.

    Raises:
        TuneError, DataError, ModelError: they do not.
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
    """Raise TuneError where a batch of one window cannot be normalised: one value a channel."""
    model.eval()
    for module in model.modules():
        module.training = isinstance(module, nn.modules.batchnorm._BatchNorm)
    try:
        model(torch.empty(1, *shape, device="meta"))
    except ValueError as error:
        if "more than 1 value per channel" in str(error):
            raise TuneError(
                "batch_size: must not leave a last batch of one window, which batch "
                f"normalisation cannot take at this input's size, got {config.batch_size} "
                "(take another, or larger images)"
            ) from error
        raise
    except RuntimeError:
        pass  # a plug-in that computes with values, which a model without memory does not have
