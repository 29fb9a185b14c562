"""``genretune models`` and ``genretune features``: lists of components with their arguments."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genretune.scripts.terminal import print_json

if TYPE_CHECKING:
    from genretune.models.arguments import Argument
    from genretune.models.cost import Cost

Name = Annotated[str | None, typer.Option("--name", help="show only this one, with its arguments")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="set an argument of --name, e.g. reduction=16"),
]
Plugins = Annotated[
    list[Path] | None, typer.Option("--plugin", help="file with your models or features")
]
Seconds = Annotated[
    float, typer.Option("--seconds", min=0.05, max=600, help="length of a window, in seconds")
]
SampleRate = Annotated[
    int, typer.Option("--sample-rate", min=1000, max=384000, help="sample rate, in Hz")
]
AsJson = Annotated[bool, typer.Option("--json", help="print the list as JSON")]


def models(
    *,
    name: Name = None,
    settings: Settings = None,
    feature: Annotated[
        str, typer.Option("--feature", help="input feature of the models")
    ] = "powerspec",
    classes: Annotated[int, typer.Option("--classes", min=2, help="number of classes")] = 10,
    seconds: Seconds = 3.0,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """List the models with parameters, MFLOPs per window, input shape, arguments and defaults.

    Example: genretune models --name cnn --set reduction=16 --set pool=gap
    """
    from genretune.models.build import (
        MODEL_CONTEXT,
        MODELS,
        build_feature,
        feature_shape,
        resolve_model,
    )
    from genretune.models.cost import model_cost

    plugin_models, plugin_features = _load_plugins(plugin)
    rate = 22050
    built = build_feature({"name": feature}, sample_rate=rate, extra=plugin_features)
    shape = feature_shape(built, channels=1, samples=round(seconds * rate))
    rows = []
    for config in _configs(name, settings, {**MODELS, **plugin_models}):
        resolved = resolve_model(config, plugin_models)
        cost = model_cost(resolved, classes=classes, input_shape=shape, extra=plugin_models)
        rows.append(_row(resolved, cost, shape))
    if as_json:
        print_json(rows)
        return
    _print_rows(
        rows, f"{classes} classes; input {_format_shape(shape)}: {feature} of {seconds:g} s"
    )
    if name is not None:
        _print_arguments("model", {**MODELS, **plugin_models}, name, MODEL_CONTEXT)


def features(
    *,
    name: Name = None,
    settings: Settings = None,
    seconds: Seconds = 3.0,
    sample_rate: SampleRate = 22050,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """List the features with output shape, MFLOPs per window, arguments and defaults.

    Example: genretune features --name melspec --set n_mels=96
    """
    from genretune.models.build import FEATURE_CONTEXT, FEATURES, resolve_feature
    from genretune.models.cost import feature_cost

    _, extra = _load_plugins(plugin)
    samples = round(seconds * sample_rate)
    rows = []
    for config in _configs(name, settings, {**FEATURES, **extra}):
        resolved = resolve_feature(config, extra)
        cost = feature_cost(resolved, sample_rate=sample_rate, samples=samples, extra=extra)
        row = _row(resolved, cost, (1, samples))
        rows.append({**row, "output_shape": list(cost.output_shape)})
    if as_json:
        print_json(rows)
        return
    _print_rows(rows, f"input 1 x {samples}: {seconds:g} s at {sample_rate} Hz")
    if name is not None:
        _print_arguments("feature", {**FEATURES, **extra}, name, FEATURE_CONTEXT)


def _load_plugins(paths: Sequence[Path] | None) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Load plug-ins and return their models and their features, by name."""
    if not paths:
        return {}, {}
    from genretune.models.plugins import load_plugin, merge

    return merge(load_plugin(path) for path in paths)


def _configs(
    name: str | None, settings: Sequence[str] | None, table: Mapping[str, object]
) -> Iterator[dict[str, object]]:
    """Yield the configurations to list: ``name`` with its settings, or all with their defaults.

    Raises:
        typer.BadParameter: for settings without a name, or a setting that is not key=value.
    """
    if name is None:
        if settings:
            raise typer.BadParameter(f"--set needs --name, got --set {settings[0]} (add --name)")
        for component in table:
            yield {"name": component}
        return
    config: dict[str, object] = {"name": name}
    for setting in settings or []:
        key, equals, text = setting.partition("=")
        if not equals or not key or key == "name":
            raise typer.BadParameter(
                f"--set must be key=value, got {setting} (write --set reduction=16)"
            )
        config[key] = _parse_value(text)
    yield config


def _parse_value(text: str) -> object:
    """Parse a value as JSON (8, null, [8, null]); anything else is a string (gap)."""
    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value


def _row(resolved: Mapping[str, object], cost: "Cost", shape: Sequence[int]) -> dict[str, Any]:
    return {
        "name": resolved["name"],
        "parameters": cost.parameters,
        "defaults": {key: value for key, value in resolved.items() if key != "name"},
        "input_shape": list(shape),
        "mflops": round(cost.flops / 1e6, 3),
    }


def _print_rows(rows: Sequence[Mapping[str, Any]], caption: str) -> None:
    """Print one line per component, short enough for a narrow terminal."""
    from rich.table import Table

    has_output_shape = any("output_shape" in row for row in rows)
    table = Table(box=None, pad_edge=False)
    table.add_column("name", no_wrap=True)
    table.add_column("output" if has_output_shape else "parameters", justify="right", no_wrap=True)
    table.add_column("MFLOPs", justify="right", no_wrap=True)
    table.add_column("arguments", overflow="fold")
    for row in rows:
        size = _format_shape(row["output_shape"]) if has_output_shape else f"{row['parameters']:,}"
        arguments = " ".join(
            f"{key}={_compact_json(value)}" for key, value in row["defaults"].items()
        )
        table.add_row(row["name"], size, f"{row['mflops']:,.1f}", _no_markup(arguments))
    print(caption)
    _print_table(table)


def _print_arguments(
    kind: str, table: Mapping[str, Any], name: str, context: Sequence[str]
) -> None:
    """Print the default and the rule of each argument of one component."""
    from rich.table import Table

    from genretune.models.arguments import list_arguments

    arguments: tuple[Argument, ...] = list_arguments(kind, table, name, context=context)
    listing = Table(box=None, pad_edge=False)
    for column in ("argument", "default", "must be"):
        listing.add_column(column, overflow="fold", no_wrap=column == "argument")
    for argument in arguments:
        default = "(required)" if argument.required else _compact_json(argument.default)
        listing.add_row(argument.name, _no_markup(default), _no_markup(argument.rule))
    print()
    _print_table(listing)


def _print_table(table: Any) -> None:
    """Print a table folded to the width of a terminal, or with unbroken lines into a pipe."""
    from rich.console import Console

    if sys.stdout.isatty():
        Console().print(table)
        return
    console = Console(width=1000)  # rich would fold at 80 columns where there is no terminal
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        print(line.rstrip())


def _no_markup(text: str) -> Any:
    """Return text whose square brackets rich does not interpret as markup."""
    from rich.text import Text

    return Text(text)


def _compact_json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _format_shape(shape: Sequence[int]) -> str:
    return " x ".join(str(size) for size in shape)
