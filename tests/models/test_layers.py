import pytest

from genretune.models.errors import ModelError
from genretune.models.layers import one_each


def test_one_value_serves_all_layers() -> None:
    assert one_each(8, 3, argument="model.reduction", what="blocks") == (8, 8, 8)
    assert one_each(None, 2, argument="model.reduction", what="blocks") == (None, None)
    assert one_each([1, None], 2, argument="model.reduction", what="blocks") == (1, None)


def test_a_list_has_one_value_for_each_layer() -> None:
    with pytest.raises(ModelError, match=r"model\.reduction: .* 3 blocks, got 2 values"):
        one_each([1, 2], 3, argument="model.reduction", what="blocks")
