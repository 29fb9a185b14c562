"""Names of an epoch's metrics and the direction in which each improves; does not import torch.

Search spaces refer to these names, the training loop computes the metrics, and ``metrics.tsv`` has
them as columns.
"""

from typing import Literal

Mode = Literal["min", "max"]
METRICS: dict[str, Mode] = {
    "trn_loss": "min",
    "val_loss": "min",
    "trn_acc": "max",
    "val_acc": "max",
    "trn_clip_loss": "min",
    "val_clip_loss": "min",
    "trn_clip_accuracy": "max",
    "val_clip_accuracy": "max",
    "val_macro_f1": "max",
    "val_clip_macro_f1": "max",
}
"""In the order of the columns of ``metrics.tsv``."""


def score(value: float | None, mode: Mode) -> float:
    """Return ``value`` as a score to minimise.

    None stands for a value that is not finite and scores infinity, the worst.
    """
    if value is None:
        return float("inf")
    return -value if mode == "max" else value
