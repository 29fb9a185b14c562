"""Long columns of an epoch's record as text: base64 of little-endian numbers.

A record is JSON, which would take ten times the room for them.
"""

import base64
import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LONG_COLUMNS = ("val_clip_classes", "trn_batch_losses", "trn_batch_losses_sha256")
"""What a record may hold beside the columns of ``metrics.tsv``."""

LONGEST = 512
"""Losses that are written out; a digest stands for the others."""


def classes_to_text(classes: Sequence[int], number: int) -> str:
    """Return the indices of classes as text, a byte each, or two if there are more than 256.

    Args:
        number: of classes that there are.
    """
    return _encode(np.asarray(classes, dtype=_class_type(number)))


def classes_from_text(text: str, number: int) -> list[int]:
    """Return what ``classes_to_text`` encoded.

    Raises:
        ValueError: it encoded nothing.
    """
    raw = base64.b64decode(text, validate=True)
    return [int(value) for value in np.frombuffer(raw, dtype=_class_type(number))]


def losses_to_text(losses: Sequence[float]) -> dict[str, str]:
    """Return the float32 losses of an epoch's batches as columns of its record.

    ``trn_batch_losses`` has the first ``LONGEST``; if there are more, the digest of all is in
    ``trn_batch_losses_sha256``.
    """
    values = np.asarray(losses, dtype="<f4")
    columns = {"trn_batch_losses": _encode(values[:LONGEST])}
    if len(values) > LONGEST:
        columns["trn_batch_losses_sha256"] = hashlib.sha256(values.tobytes()).hexdigest()
    return columns


def losses_from_text(text: str) -> list[float]:
    """Return the losses in ``trn_batch_losses``.

    Raises:
        ValueError: it holds none.
    """
    return [float(value) for value in np.frombuffer(base64.b64decode(text, validate=True), "<f4")]


def _class_type(number: int) -> str:
    return "|u1" if number <= 256 else "<u2"


def _encode(values: NDArray[np.generic]) -> str:
    return base64.b64encode(values.tobytes()).decode()
