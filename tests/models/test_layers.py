import pytest

from genretune.models.errors import ModelError
from genretune.models.layers import check_input_size, per_layer


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
