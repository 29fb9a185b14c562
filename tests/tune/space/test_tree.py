"""Enumeration and decoding of a tree agree."""

import pytest

from genretune.tune.space.distributions import Range, Values
from genretune.tune.space.tree import (
    Choice,
    Constant,
    ListNode,
    MappingNode,
    Parameter,
    decode,
    finite_size,
    nth,
)

STAGES = ListNode(
    (Parameter("stages[0]", Values((None, 4))), Constant(8), Parameter("stages[2]", Values((1, 2))))
)
FEATURE = Choice(
    "feature",
    (
        MappingNode((("name", Constant("powerspec")),)),
        MappingNode(
            (("name", Constant("melspec")), ("n_mels", Parameter("n_mels", Values((32, 64)))))
        ),
    ),
)
NODE = MappingNode((("stages", STAGES), ("feature", FEATURE)))


def test_every_configuration_is_decoded_to_its_own_dimensions() -> None:
    configurations = [nth(NODE, index) for index in range(finite_size(NODE))]
    decoded = [decode(NODE, configuration) for configuration in configurations]
    assert len(decoded) == 12
    assert decoded[0] == {"stages[0]": None, "stages[2]": 1, "feature": 0}
    assert decoded[-1] == {"stages[0]": 4, "stages[2]": 2, "feature": 1, "n_mels": 64}
    assert all(decoded.count(one) == 1 for one in decoded)


@pytest.mark.parametrize(
    "value",
    [
        {"stages": [None, 8, 1]},
        {"stages": [None, 8], "feature": {"name": "powerspec"}},
        {"stages": [None, 9, 1], "feature": {"name": "powerspec"}},
        {"stages": [None, 8, 1.0], "feature": {"name": "powerspec"}},
        {"stages": [None, 8, 1], "feature": {"name": "melspec"}},
    ],
)
def test_other_values_are_not_decoded(value: object) -> None:
    assert decode(NODE, value) is None


def test_a_continuous_node_cannot_be_enumerated() -> None:
    lr = Parameter("lr", Range("uniform", 0.0, 1.0))
    with pytest.raises(ValueError, match="must be finite to be enumerated, got"):
        nth(ListNode((lr,)), 0)
