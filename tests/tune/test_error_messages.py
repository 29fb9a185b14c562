"""Wording of validation errors: dotted key, rule, value and suggestion on one line."""

from typing import Annotated

import pytest
from annotated_types import Ge
from pydantic import BaseModel, ConfigDict, ValidationError

from genretune.tune.error_messages import hint, problems


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    patience: Annotated[int, Ge(1)] = 1


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    epochs: int
    inner: Inner = Inner()
    optional: Inner | None = None


def lines(settings: object, *, where: str = "") -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(settings)
    return problems(caught.value, Outer, where=where)


def test_each_problem_is_one_line_with_its_dotted_key() -> None:
    assert lines({"inner": {"patience": 0}}) == [
        "epochs: is required (add it)",
        "inner.patience: must be greater than or equal to 1, got 0",
    ]
    assert lines({}, where="trial") == ["trial.epochs: is required (add it)"]


@pytest.mark.parametrize("key", ["inner", "optional"])
def test_an_unknown_key_suggests_a_key_of_its_own_model(key: str) -> None:
    expected = f"{key}.patiense: unknown key (did you mean 'patience'?)"
    assert lines({"epochs": 1, key: {"patiense": 2}}) == [expected]


def test_long_values_are_shortened() -> None:
    (line,) = lines({"epochs": "x" * 100})
    assert line.endswith("xxx...") and len(line) < 160


def test_no_suggestion_without_a_close_name() -> None:
    assert hint("epoch", ["epochs", "seed"]) == " (did you mean 'epochs'?)"
    assert hint("qqq", ["epochs", "seed"]) == ""
