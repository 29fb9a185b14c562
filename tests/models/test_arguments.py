from functools import partial
from typing import Annotated, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, Field

from genretune.models.arguments import Argument, construct, list_arguments, lookup, resolve
from genretune.models.errors import ModelError


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("must be even")
    return value


class Widget:
    def __init__(
        self,
        *,
        classes: int,
        size: Annotated[int, Field(ge=1)],
        rate: Annotated[float, Field(ge=0, lt=1)] = 0.5,
        kind: Literal["round", "square"] = "round",
        widths: list[int | None] | int | None = None,
        pair: tuple[float, float] = (0.9, 0.999),
        even: Annotated[int, AfterValidator(_even)] = 2,
    ) -> None:
        self.given = (classes, size, rate, kind, widths, pair, even)


def plain(*, on: bool = True, json: str = "x", model_config: int = 1) -> dict[str, object]:
    return {"on": on, "json": json, "model_config": model_config}


TABLE = {"widget": Widget, "plain": plain, "bound": partial(Widget, size=3)}
CONTEXT = {"classes": 10}


def problems(given: dict[str, object]) -> tuple[str, ...]:
    with pytest.raises(ModelError) as caught:
        resolve("thing", TABLE, given, context=CONTEXT)
    return caught.value.problems


def test_defaults_are_filled_in_in_signature_order() -> None:
    config = resolve("thing", TABLE, {"size": 2, "name": "widget"}, context=CONTEXT)
    assert list(config.items()) == [
        ("name", "widget"),
        ("size", 2),
        ("rate", 0.5),
        ("kind", "round"),
        ("widths", None),
        ("pair", [0.9, 0.999]),
        ("even", 2),
    ]
    assert resolve("thing", TABLE, config, context=CONTEXT) == config


def test_whole_numbers_are_valid_for_float_arguments() -> None:
    config = resolve("thing", TABLE, {"name": "widget", "size": 2, "rate": 0}, context=CONTEXT)
    assert isinstance(config["rate"], float)


def test_arguments_may_be_named_like_pydantic_attributes() -> None:
    assert resolve("thing", TABLE, {"name": "plain"}) == {
        "name": "plain",
        "on": True,
        "json": "x",
        "model_config": 1,
    }


def test_bound_arguments_cannot_be_set() -> None:
    assert "size" not in resolve("thing", TABLE, {"name": "bound"}, context=CONTEXT)
    with pytest.raises(ModelError, match="must be an argument of bound, got size=4"):
        resolve("thing", TABLE, {"name": "bound", "size": 4}, context=CONTEXT)


def test_construct_passes_context_and_arguments() -> None:
    built = construct("thing", TABLE, {"name": "bound", "rate": 0.25}, {"classes": 7, "other": 1})
    assert isinstance(built, Widget)
    assert built.given == (7, 3, 0.25, "round", None, [0.9, 0.999], 2)


def test_unknown_name() -> None:
    assert problems({"name": "wigdet"}) == (
        'thing.name: must be the name of a known thing, got "wigdet" '
        "(did you mean 'widget'? choose from widget, plain, bound)",
    )
    assert problems({}) == (
        "thing.name: must be the name of a known thing, got nothing "
        "(choose from widget, plain, bound)",
    )
    assert lookup("thing", TABLE, "plain") == "plain"


def test_all_problems_at_once() -> None:
    assert problems({"name": "widget", "rat": 0.1, "rate": 1.5, "kind": "rund", "even": 3}) == (
        "thing.size: must be a whole number >= 1, got nothing (it has no default: set a value)",
        "thing.rate: must be a number >= 0 and < 1, got 1.5 (the default is 0.5)",
        "thing.kind: must be one of round, square, got \"rund\" (did you mean 'round'?)",
        "thing.even: must be even, got 3 (must be a whole number)",
        "thing.rat: must be an argument of widget, got rat=0.1 (did you mean 'rate'? "
        "arguments: size, rate, kind, widths, pair, even)",
    )


@pytest.mark.parametrize(
    ("argument", "value", "words"),
    [
        ("size", True, "must be a whole number >= 1, got true"),
        ("size", 2.0, "must be a whole number >= 1, got 2.0"),
        ("size", 0, "must be a whole number >= 1, got 0"),
        (
            "rate",
            "1e-5",
            'got "1e-5" (it was read as a string: remove the quotes; in YAML write 1.0e-5',
        ),
        ("rate", float("nan"), "must be a number >= 0 and < 1, got NaN"),
        ("rate", None, "must be a number >= 0 and < 1, got null"),
        ("widths", [1, "a"], 'or null, got [1, "a"]'),
        ("pair", [1.0], "must be a list of 2: a number; a number, got [1.0]"),
        ("classes", 3, "is supplied by the program, got 3 (omit it)"),
        ("rate", {1, 2}, "must be a plain value"),
    ],
)
def test_each_invalid_value_gives_one_line(argument: str, value: object, words: str) -> None:
    given = {"name": "widget", "size": 1, argument: value}
    (line,) = problems(given)
    assert line.startswith(f"thing.{argument}: ")
    assert words in line
    assert "\n" not in line


def test_list_arguments_returns_rules_and_defaults() -> None:
    listed = list_arguments("thing", TABLE, "widget", context=CONTEXT)
    assert listed[:2] == (
        Argument("size", "a whole number >= 1", None, True),
        Argument("rate", "a number >= 0 and < 1", 0.5, False),
    )


def test_unsupported_signatures() -> None:
    def open_ended(**more: int) -> None: ...

    def bare(size=3): ...  # type: ignore[no-untyped-def]

    def odd(thing: object = 3, other: complex | Widget = 1) -> None: ...

    def unknown(size: "Nowhere" = 3) -> None: ...  # type: ignore[name-defined] # noqa: F821

    for function, words in (
        (open_ended, "every argument must be a named keyword argument"),
        (bare, "every argument must be annotated"),
        (odd, "arguments must be annotated with plain types"),
        (unknown, "annotations must be types known in the file"),
    ):
        with pytest.raises(ModelError, match=words):
            list_arguments("thing", {"f": function}, "f")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from(["size", "rate", "kind", "widths", "pair", "z"]), JSON))
def test_any_json_is_either_rejected_or_resolves_to_itself(user: dict[str, object]) -> None:
    try:
        config = resolve("thing", TABLE, {**user, "name": "widget"}, context=CONTEXT)
    except ModelError as error:
        assert all(line.startswith("thing.") for line in error.problems)
    else:
        assert resolve("thing", TABLE, config, context=CONTEXT) == config
        assert all(config[key] == value for key, value in user.items())
