"""docs/cluster.md: its commands exist with their options, and its files and numbers are ours."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.command_lines import options_of_sweep, parse

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "cluster.md").read_text()
FILES = ROOT / "scripts" / "cluster"


def commands(program: str) -> list[list[str]]:
    """Return the arguments of every command of a program in the page's console blocks."""
    blocks = re.findall(r"^```console\n(.*?)^```", PAGE, flags=re.M | re.S)
    text = "\n".join(blocks).replace("\\\n", " ")
    found = re.findall(rf"^(?:\$ |.*[(;] ?|.*-- ){program} ([^;)\n]*)", text, flags=re.M)
    assert found, program
    return [shlex.split(arguments, comments=True) for arguments in found]


def options_of(arguments: list[str]) -> set[str]:
    return {word.partition("=")[0] for word in arguments if word.startswith("--")}


@pytest.mark.parametrize("arguments", commands("genretune"), ids=" ".join)
def test_every_genretune_command_is_understood(arguments: list[str]) -> None:
    parameters = parse(arguments)
    if arguments[0] in ("search", "resume"):
        options = options_of_sweep(parameters)
        assert options.address == "auto"
        assert options.resources is not None and options.resources.gpu == 1.0


def test_every_ray_command_has_its_options() -> None:
    from ray.scripts.scripts import cli

    for name, *arguments in commands("ray"):
        command: Any = cli.commands[name]
        known = {option for parameter in command.params for option in parameter.opts}
        arguments = arguments[: arguments.index(">")] if ">" in arguments else arguments
        assert options_of(arguments) <= known, name


def test_the_kuberay_commands_name_what_is_in_the_files() -> None:
    job: Any = YAML(typ="safe").load((FILES / "kuberay.yaml").read_text())
    name = job["metadata"]["name"]
    head = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    build, push = commands("docker")
    assert " ".join(["docker", *build]) in (FILES / "Dockerfile").read_text()
    assert push == ["push", head["image"]]
    kubectl = commands("kubectl")
    assert ["apply", "-f", "scripts/cluster/kuberay.yaml"] in kubectl
    assert ["get", "rayjob", name] in kubectl
    assert ["logs", "--follow", f"job/{name}"] in kubectl, "the submitter has the RayJob's name"
    for arguments in kubectl:
        if arguments[0] == "exec":
            assert arguments[2:4] == ["-c", head["name"]]
            assert arguments[-1] in job["spec"]["entrypoint"], "the run directory"


def test_links_and_files_exist() -> None:
    for path in re.findall(r"`(scripts/cluster/[\w.]+)`", PAGE):
        assert (ROOT / path).is_file(), path
    assert "docs/cluster.md" in (ROOT / "README.md").read_text()
    assert 'docs/cluster.md, "KubeRay"' in (FILES / "kuberay.yaml").read_text()
    assert "## KubeRay\n" in PAGE
