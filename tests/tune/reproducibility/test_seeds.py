"""Seeds: functions of names, without side effects on the caller's generator."""

import pytest
import torch
from torch import nn

from genretune.tune.errors import TuneError
from genretune.tune.reproducibility.seeds import derive, initialise, isolated


class Small(nn.Module):
    def __init__(self, *, extra: bool = False) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.extra = nn.Linear(4, 4) if extra else None
        self.last = nn.Linear(4, 2)


def test_derive_is_a_fixed_function_of_its_names() -> None:
    assert derive(1, "init", "conv1") == 4878811838779926159
    assert derive(20261122, "order", 3) == 5789843079356176483
    assert derive(1, "a", "bc") != derive(1, "ab", "c")
    assert derive(1, 2) != derive(1, "2")
    assert 0 <= derive(-5, "x") < 2**63


def test_isolated_restores_the_state_of_the_callers_generator() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    with isolated(99):
        torch.rand(100)
    assert torch.equal(torch.rand(4), expected)


def test_initial_weights_do_not_depend_on_earlier_draws_or_other_modules() -> None:
    torch.manual_seed(1)
    plain = Small()
    initialise(plain, 7)
    torch.rand(13)
    wider = Small(extra=True)
    initialise(wider, 7)
    for name, weights in plain.state_dict().items():
        assert torch.equal(weights, wider.state_dict()[name])


def test_a_module_without_reset_parameters_is_reported_by_name() -> None:
    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(2))

    with pytest.raises(TuneError, match=r"model\.\(root\): .*reset_parameters.*got Bare"):
        initialise(Bare(), 1)
