"""The metrics of an epoch, by name, and which way each is better; without torch.

Space files name them, the training loop computes them, ``metrics.tsv`` has them as columns.
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
    """Return a number that is lower for a better value; nothing is worse than None (not finite)."""
    if value is None:
        return float("inf")
    return -value if mode == "max" else value
