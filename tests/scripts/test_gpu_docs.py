"""docs/gpus.md: its commands, variables and links are ours."""

import importlib.util
import re
import shlex
from pathlib import Path

from genretune.scripts.benchmarks.gpu import PARTS as BENCHMARK
from genretune.scripts.soaks.gpu.parts import PARTS as SOAK
from genretune.scripts.soaks.gpu.runner import parser
from genretune.tune.reproducibility.determinism_env import TF32_OVERRIDES
from tests.command_lines import options_of_sweep, parse

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "gpus.md").read_text()


def test_the_command_shares_a_gpu() -> None:
    (command,) = re.findall(r"^\$ genretune (.*)", PAGE, flags=re.M)
    resources = options_of_sweep(parse(shlex.split(command))).resources
    assert resources is not None
    assert resources.resolved("cuda", 2).bundle() == {"CPU": 2.0, "GPU": 0.25}
    two_gpus = {"CPU": 64.0, "GPU": 2.0}
    assert resources.resolved("cuda", 2).trials_within(two_gpus) == 8, "four on each"


def test_the_variables_are_those_that_are_refused() -> None:
    (names,) = re.findall(r"^\$ unset (.*)", PAGE, flags=re.M)
    assert tuple(names.split()) == TF32_OVERRIDES


def test_the_readme_links_it() -> None:
    assert "(docs/gpus.md)" in (ROOT / "README.md").read_text()


def test_the_soak_test_and_the_benchmark_are_described() -> None:
    table = [line for line in PAGE.splitlines() if line.startswith("| `")]
    named = {name for line in table for name in re.findall(r"`([\w-]+)`", line.split("|")[1])}
    assert set(SOAK) <= named
    commands = re.findall(r"^\$ (?:scripts/\w+ gpu|python3 -m [\w.]+) (.*)", PAGE, flags=re.M)
    assert len(commands) == 4
    for command in commands:
        assert parser("gpu", "").parse_args(shlex.split(command)).out is not None
    for module in re.findall(r"^\$ python3 -m ([\w.]+)", PAGE, flags=re.M):
        assert importlib.util.find_spec(module) is not None
    for part in re.findall(r"--part (\w+)", PAGE):
        assert part in SOAK or part in BENCHMARK or part == "NAME"
