"""Components of a trial: independent draws, and configurations that do not suit the data."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from genretune.data.store import Store
from genretune.models.errors import ModelError
from genretune.tune.errors import TuneError
from genretune.tune.training.components import build_components
from genretune.tune.training.resolve_config import trial_config

Tiny = Callable[..., dict[str, Any]]


def test_a_setting_does_not_change_the_initial_weights_of_other_modules(
    store: Store, tiny: Tiny
) -> None:
    plain = build_components(trial_config(tiny()), store)
    other = build_components(
        trial_config(tiny(model=tiny()["model"] | {"reduction": None}, augment={"gain": {}})), store
    )
    theirs = other.model.state_dict()
    shared = [name for name in plain.model.state_dict() if name in theirs]
    assert len(shared) >= 5
    for name in shared:
        assert torch.equal(plain.model.state_dict()[name], theirs[name])


def test_a_corpus_with_another_digest_is_refused(store: Store, tiny: Tiny) -> None:
    config = trial_config(tiny())
    data = config.data.model_copy(update={"samples": "0" * 64})
    with pytest.raises(TuneError, match=r"data\.samples: must be the digest of the corpus"):
        build_components(config.model_copy(update={"data": data}), store)


def test_micro_batches_are_refused_for_networks_with_batch_normalisation(
    store: Store, tiny: Tiny
) -> None:
    settings = tiny(micro_batch_size=4, model={"name": "resnet18"})
    with pytest.raises(ModelError, match="micro_batch_size: must be null for a network with batch"):
        build_components(trial_config(settings), store)
