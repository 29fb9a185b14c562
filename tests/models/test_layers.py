import pytest

from genretune.models.errors import ModelError
from genretune.models.layers import one_each, refuse_small


def test_one_value_serves_all_layers() -> None:
    assert one_each(8, 3, argument="model.reduction", what="blocks") == (8, 8, 8)
    assert one_each(None, 2, argument="model.reduction", what="blocks") == (None, None)
    assert one_each([1, None], 2, argument="model.reduction", what="blocks") == (1, None)


def test_a_list_has_one_value_for_each_layer() -> None:
    with pytest.raises(ModelError, match=r"model\.reduction: .* 3 blocks, got 2 values"):
        one_each([1, 2], 3, argument="model.reduction", what="blocks")


@pytest.mark.parametrize("shape", [(1, 31, 40), (1, 40, 31)])
def test_images_must_survive_the_poolings(shape: tuple[int, int, int]) -> None:
    refuse_small(5, (1, 32, 32), argument="model.filters", what="blocks")
    with pytest.raises(ModelError, match=r"model\.filters: 5 blocks .* 32 x 32 .*, got "):
        refuse_small(5, shape, argument="model.filters", what="blocks")
