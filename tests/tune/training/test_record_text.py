"""Long columns of a record, as text and back."""

import hashlib

import numpy as np
import pytest

from genretune.tune.training.record_text import (
    LONGEST,
    classes_from_text,
    classes_to_text,
    losses_from_text,
    losses_to_text,
)


@pytest.mark.parametrize("number", [2, 10, 256, 257, 1000])
def test_classes_round_trip(number: int) -> None:
    classes = [0, number - 1, number // 2] * 67
    text = classes_to_text(classes, number)
    assert classes_from_text(text, number) == classes
    assert len(text) <= (272 if number <= 256 else 540), "201 clips"


def test_losses_keep_their_bits() -> None:
    losses = [float(np.float32(1 / n)) for n in range(1, 60)] + [float("inf")]
    columns = losses_to_text(losses)
    assert [*columns] == ["trn_batch_losses"]
    assert losses_from_text(columns["trn_batch_losses"]) == losses


def test_more_losses_have_a_digest_beside_them() -> None:
    losses = [float(np.float32(1 / n)) for n in range(1, LONGEST + 3)]
    columns = losses_to_text(losses)
    assert losses_from_text(columns["trn_batch_losses"]) == losses[:LONGEST]
    whole = np.asarray(losses, "<f4").tobytes()
    assert columns["trn_batch_losses_sha256"] == hashlib.sha256(whole).hexdigest()


@pytest.mark.parametrize("text", ["x", "####"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        classes_from_text(text, 10)
    with pytest.raises(ValueError):
        losses_from_text(text)
