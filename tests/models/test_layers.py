from collections.abc import Iterator
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor

from genretune.models import layers
from genretune.models.errors import ModelError
from genretune.models.layers import check_input_size, per_layer, sent_ahead


def test_a_single_value_is_repeated_for_all_layers() -> None:
    assert per_layer(8, 3, argument="model.reduction", what="blocks") == (8, 8, 8)
    assert per_layer(None, 2, argument="model.reduction", what="blocks") == (None, None)
    assert per_layer([1, None], 2, argument="model.reduction", what="blocks") == (1, None)


def test_a_list_needs_one_value_per_layer() -> None:
    with pytest.raises(ModelError, match=r"model\.reduction: .* 3 blocks, got 2 values"):
        per_layer([1, 2], 3, argument="model.reduction", what="blocks")


@pytest.mark.parametrize("shape", [(1, 31, 40), (1, 40, 31)])
def test_images_too_small_for_the_poolings(shape: tuple[int, int, int]) -> None:
    check_input_size(5, (1, 32, 32), argument="model.filters", what="blocks")
    with pytest.raises(ModelError, match=r"model\.filters: 5 blocks .* 32 x 32 .*, got "):
        check_input_size(5, shape, argument="model.filters", what="blocks")


def numbered(taken: list[int]) -> Iterator[Tensor]:
    for number in range(5):
        taken.append(number)
        yield torch.tensor([number])


def test_a_cpu_takes_each_tensor_when_it_is_asked_for() -> None:
    taken: list[int] = []
    for number, tensor in enumerate(sent_ahead(numbered(taken), torch.device("cpu"), depth=2)):
        assert int(tensor) == number and len(taken) == number + 1


def test_a_gpu_waits_for_each_copy_while_later_ones_are_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []

    class Stream:
        def __init__(self, device: object, name: str = "copies") -> None:
            self.name, self.events = name, 0

        def record_event(self) -> int:
            self.events += 1
            return self.events - 1

        def wait_event(self, event: int) -> None:
            done.append(f"wait {event}")

    current = Stream(None, "computes")
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext(stream))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: current)
    monkeypatch.setattr(
        Tensor, "record_stream", lambda self, stream: done.append(f"{stream.name} {int(self)}")
    )
    monkeypatch.setattr(layers, "to_device", lambda tensor, device: tensor)
    taken: list[int] = []
    for number, tensor in enumerate(sent_ahead(numbered(taken), torch.device("cuda"), depth=2)):
        assert int(tensor) == number and len(taken) == min(number + 3, 5)
        assert done[-2:] == [f"wait {number}", f"computes {number}"]
    assert len(done) == 10
