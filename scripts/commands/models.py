"""``genretune models`` and ``genretune features``: what there is, with arguments and defaults."""

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

Name = Annotated[str | None, typer.Option("--name", help="only this one, with its arguments")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="an argument of it, e.g. reduction=16"),
]
Plugins = Annotated[
    list[Path] | None, typer.Option("--plugin", help="a file with models or features of yours")
]
Seconds = Annotated[float, typer.Option("--seconds", min=0.05, max=600, help="of a window")]
SampleRate = Annotated[int, typer.Option("--sample-rate", min=1000, max=384000, help="in Hz")]
AsJson = Annotated[bool, typer.Option("--json", help="print facts as JSON")]


def models(
    *,
    name: Name = None,
    settings: Settings = None,
    feature: Annotated[
        str, typer.Option("--feature", help="the feature that the models are given")
    ] = "powerspec",
    classes: Annotated[int, typer.Option("--classes", min=2, help="number of classes")] = 10,
    seconds: Seconds = 3.0,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """List the models: parameters, operations a window, input shape, arguments and defaults.

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

    extra_models, extra_features = _extras(plugin)
    rate = 22050
    built = build_feature({"name": feature}, sample_rate=rate, extra=extra_features)
    shape = feature_shape(built, channels=1, samples=round(seconds * rate))
    rows = []
    for config in _configs(name, settings, {**MODELS, **extra_models}):
        resolved = resolve_model(config, extra_models)
        cost = model_cost(resolved, classes=classes, input_shape=shape, extra=extra_models)
        rows.append(_row(resolved, cost, shape))
    if as_json:
        print_json(rows)
        return
    _print_rows(rows, f"{classes} classes; input {_shape(shape)}: {feature} of {seconds:g} s")
    if name is not None:
        _print_arguments("model", {**MODELS, **extra_models}, name, MODEL_CONTEXT)


def features(
    *,
    name: Name = None,
    settings: Settings = None,
    seconds: Seconds = 3.0,
    sample_rate: SampleRate = 22050,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """List the features: output shape, operations a window, arguments and defaults.

    Example: genretune features --name melspec --set n_mels=96
    """
    from genretune.models.build import FEATURE_CONTEXT, FEATURES, resolve_feature
    from genretune.models.cost import feature_cost

    _, extra = _extras(plugin)
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


def _extras(paths: Sequence[Path] | None) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Load plug-ins; their models and their features by name."""
    if not paths:
        return {}, {}
    from genretune.models.plugins import load_plugin, merge

    return merge(load_plugin(path) for path in paths)


def _configs(
    name: str | None, settings: Sequence[str] | None, table: Mapping[str, object]
) -> Iterator[dict[str, object]]:
    """The configurations to list: one with its settings, or all with their defaults."""
    if name is None:
        if settings:
            raise typer.BadParameter(f"--set needs --name, got --set {settings[0]}")
        for each in table:
            yield {"name": each}
        return
    config: dict[str, object] = {"name": name}
    for setting in settings or []:
        key, equals, text = setting.partition("=")
        if not equals or not key or key == "name":
            raise typer.BadParameter(f"--set must be key=value, got {setting}")
        config[key] = _value(text)
    yield config


def _value(text: str) -> object:
    """Read a value as JSON (8, null, [8, null]); what is none is a text (gap)."""
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
    """Print a line for each component, short enough for a narrow terminal."""
    from rich.table import Table

    with_output = any("output_shape" in row for row in rows)
    table = Table(box=None, pad_edge=False)
    table.add_column("name", no_wrap=True)
    table.add_column("output" if with_output else "parameters", justify="right", no_wrap=True)
    table.add_column("MFLOPs", justify="right", no_wrap=True)
    table.add_column("arguments", overflow="fold")
    for row in rows:
        size = _shape(row["output_shape"]) if with_output else f"{row['parameters']:,}"
        arguments = " ".join(f"{key}={_compact(value)}" for key, value in row["defaults"].items())
        table.add_row(row["name"], size, f"{row['mflops']:,.1f}", _plain(arguments))
    print(caption)
    _print(table)


def _print_arguments(
    kind: str, table: Mapping[str, Any], name: str, context: Sequence[str]
) -> None:
    """Print the rule and the default of each argument of one component."""
    from rich.table import Table

    from genretune.models.arguments import schema

    arguments: tuple[Argument, ...] = schema(kind, table, name, context=context)
    shown = Table(box=None, pad_edge=False)
    for column in ("argument", "default", "must be"):
        shown.add_column(column, overflow="fold", no_wrap=column == "argument")
    for argument in arguments:
        default = "(required)" if argument.required else _compact(argument.default)
        shown.add_row(argument.name, _plain(default), _plain(argument.rule))
    print()
    _print(shown)


def _print(table: Any) -> None:
    """Fit a terminal's width; give a pipe lines as long as they need to be, without padding."""
    from rich.console import Console

    if sys.stdout.isatty():
        Console().print(table)
        return
    console = Console(width=1000)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        print(line.rstrip())


def _plain(text: str) -> Any:
    """Text whose square brackets rich leaves alone."""
    from rich.text import Text

    return Text(text)


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(str(size) for size in shape)
