from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from genretune.models.problems import problems


class Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, validate_default=True)

    size: Annotated[int, Field(ge=1)]
    values: list[int] = [1]
    broken: Annotated[int, Field(ge=1)] = 0


def test_one_line_for_each_argument() -> None:
    user = {"values": ["a", "b"], "sise": 2, "classes": 3}
    with pytest.raises(ValidationError) as caught:
        Arguments.model_validate(user)
    lines = problems("widget", "thing", Arguments, user, ["classes"], caught.value)
    assert lines == [
        "thing.size: must be a whole number >= 1, got nothing (it has no default: set a value)",
        'thing.values: must be a list (each a whole number), got ["a", "b"] (the default is [1])',
        "thing.broken: widget has an invalid default value, "
        "Input should be greater than or equal to 1",
        "thing.sise: must be an argument of widget, got sise=2 "
        "(did you mean 'size'? arguments: size, values, broken)",
        "thing.classes: is supplied by the program, got 3 (omit it)",
    ]
