"""Run options from the command line."""

import datetime
import time
from typing import Any

import pytest

from genretune.scripts.sweep_options import KeepChoice, run_options
from genretune.scripts.sweep_options import _seconds_until as seconds_until
from genretune.tune.dispatch.run_options import Resources, RunOptions
from genretune.tune.errors import TuneError

DEFAULTS: dict[str, Any] = {
    "time": None,
    "until": None,
    "hang_timeout": 600.0,
    "io_timeout": 600.0,
    "keep": KeepChoice.usual,
    "machine_class": None,
    "allow_mixed": False,
}


def options(address: str = "local", resources: str | None = None, **more: Any) -> RunOptions:
    return run_options(address, None, resources, **(DEFAULTS | more))


def test_options_are_parsed() -> None:
    assert options(resources="cpu=2, gpu=0.25").resources == Resources(2.0, 0.25)
    assert options(resources="cpu=2").resources == Resources(cpu=2.0, gpu=None)
    assert options(resources="gpu=2").resources == Resources(cpu=None, gpu=2.0)
    assert options("10.0.0.1:6379").address == "10.0.0.1:6379"
    until = options(time="1h30m").until
    assert until is not None and abs(until - time.time() - 5400) < 5
    now = datetime.datetime(2026, 11, 22, 23, 0)
    assert seconds_until("07:30", now) == 8.5 * 3600
    assert seconds_until("7:30", now) == 8.5 * 3600
    assert seconds_until("23:30", now) == 1800


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"address": "somewhere"}, "--address: must be local, auto or HOST:PORT, got somewhere"),
        ({"resources": "gpu"}, "--resources: must be like cpu=1,gpu=0.25, got gpu"),
        ({"resources": "tpu=1"}, "--resources"),
        ({"resources": "cpu=nan"}, "--resources: must be like cpu=1,gpu=0.25, got cpu=nan"),
        ({"resources": "gpu=inf"}, "--resources: must be like cpu=1,gpu=0.25, got gpu=inf"),
        (
            {"resources": "cpu=1,gpu=1.5"},
            "--resources: gpu must be a fraction up to 1 or a whole number, got 1.5 (",
        ),
        ({"time": "soon"}, "--time: must be a duration such as 8h, 90m or 1h30m, got soon"),
        ({"time": ""}, "--time"),
        ({"until": "07:30+02:00"}, "--until: must be a time of day such as 07:30, got 07:30+02:00"),
        ({"until": "7"}, "--until: must be a time of day"),
        ({"until": "25:00"}, "--until: must be a time of day such as 07:30, got 25:00"),
        ({"until": "07:30", "time": "1h"}, "--until: must not be combined with --time"),
    ],
)
def test_invalid_options_are_named(more: dict[str, Any], expected: str) -> None:
    with pytest.raises(TuneError) as error:
        options(**more)
    assert expected in str(error.value)
