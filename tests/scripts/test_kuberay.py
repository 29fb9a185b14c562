"""The RayJob for KubeRay and its image: the fields, and the command that every attempt runs."""

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from genretune.tune.dispatch.run_options import RunOptions
from tests.command_lines import options_of_sweep, parse

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "scripts" / "cluster"
# a genretune that writes its arguments down, begins a sweep and exits with $CODE
FAKE = """#!/bin/sh
printf '%s\\n' "$@" > {trace}
[ "$1" != search ] || touch {sweep}/sweep.json
exit ${{CODE:-0}}
"""


@pytest.fixture(scope="module")
def job() -> Any:
    return YAML(typ="safe").load((FOLDER / "kuberay.yaml").read_text())


def groups_of(job: Any) -> list[Any]:
    cluster = job["spec"]["rayClusterSpec"]
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


def container_of(group: Any) -> Any:
    (container,) = group["template"]["spec"]["containers"]
    return container


def environment_of(group: Any) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container_of(group).get("env", [])}


class Attempt:
    """An attempt of the job, with a folder for /shared and a fake genretune."""

    def __init__(self, job: Any, folder: Path) -> None:
        self.entrypoint = job["spec"]["entrypoint"].replace("/shared", str(folder))
        self.trace, self.sweep = folder / "trace", folder / "runs" / "sweep"
        self.sweep.mkdir(parents=True)
        self.path = f"{folder}:{os.environ['PATH']}"
        program = folder / "genretune"
        program.write_text(FAKE.format(trace=self.trace, sweep=self.sweep))
        program.chmod(0o755)

    def run(self, code: int = 0) -> list[str]:
        """Run the entrypoint; return the arguments that genretune got."""
        # KubeRay's submitter pastes the entrypoint into a line for bash; what it becomes there is
        # quoted anew by ``ray job submit`` and goes through a second shell
        command = subprocess.list2cmdline(shlex.split(self.entrypoint))
        environment = {"PATH": self.path, "CODE": str(code)}
        done = subprocess.run(command, shell=True, env=environment, timeout=20, check=False)
        assert done.returncode == code, "the attempt must fail when genretune does"
        return self.trace.read_text().splitlines()


@pytest.fixture
def attempt(job: Any, tmp_path: Path) -> Attempt:
    return Attempt(job, tmp_path)


def commands(attempt: Attempt) -> list[tuple[str, dict[str, Any], RunOptions]]:
    """Return name, parameters and run options of the first attempt and of the next."""
    first, second = attempt.run(code=75), attempt.run()
    return [(one[0], parse(one), options_of_sweep(parse(one))) for one in (first, second)]


def test_it_searches_first_and_resumes_by_itself_afterwards(attempt: Attempt) -> None:
    (search, first, options), (resume, second, resume_options) = commands(attempt)
    assert (search, resume) == ("search", "resume")
    assert (first["out"], second["run_directory"]) == (attempt.sweep, attempt.sweep)
    assert first["data"] == second["data"] is not None
    assert (options.address, resume_options.address) == ("auto", "auto")
    # the driver before was on another host, and nobody is there to say that it is gone
    assert resume_options.takeover and not options.takeover
    assert options.resources == resume_options.resources
    assert options.concurrency == resume_options.concurrency


def test_the_autoscaler_is_asked_for_every_worker(job: Any, attempt: Attempt) -> None:
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["enableInTreeAutoscaling"] is True
    (_, _, options), _ = commands(attempt)
    assert options.resources is not None and options.resources.gpu == 1.0
    (group,) = cluster["workerGroupSpecs"]
    limits = container_of(group)["resources"]["limits"]
    per_worker = int(limits["nvidia.com/gpu"]) // int(options.resources.gpu)
    assert options.concurrency == group["maxReplicas"] * per_worker
    # the job is submitted once all of them run
    assert 1 <= group["minReplicas"] == group["replicas"] <= group["maxReplicas"]


def test_the_rayjob_has_the_fields_that_kuberay_requires(job: Any) -> None:
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert job["spec"]["backoffLimit"] > 0 and job["spec"]["submissionMode"] == "K8sJobMode"
    assert job["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}
    head, worker = groups_of(job)
    assert head["rayStartParams"] == {"num-cpus": "0"} and worker["rayStartParams"] == {}
    assert "tolerations" not in head["template"]["spec"]
    assert all(one["operator"] == "Exists" for one in worker["template"]["spec"]["tolerations"])
    for group in (head, worker):
        resources = container_of(group)["resources"]
        assert resources["requests"] == resources["limits"]


def test_head_and_workers_have_the_same_image_user_and_paths(job: Any, attempt: Attempt) -> None:
    head, worker = groups_of(job)
    assert container_of(head)["image"] == container_of(worker)["image"]
    assert environment_of(head) == environment_of(worker)
    assert (
        head["template"]["spec"]["securityContext"] == worker["template"]["spec"]["securityContext"]
    )
    for group in (head, worker):
        volumes = {volume["name"] for volume in group["template"]["spec"]["volumes"]}
        assert volumes == {mount["name"] for mount in container_of(group)["volumeMounts"]}
        (mount,) = container_of(group)["volumeMounts"]
        words = shlex.split(shlex.split(job["spec"]["entrypoint"])[-1])
        paths = [word.rstrip(";") for word in words if word.startswith("/")]
        assert len(paths) >= 5
        for path in (*paths, environment_of(group)["GENRETUNE_CACHE"]):
            assert Path(path).is_relative_to(mount["mountPath"])


def test_the_image_has_the_pinned_ray_and_the_user_of_the_pods(job: Any) -> None:
    image = (FOLDER / "Dockerfile").read_text()
    version = job["spec"]["rayClusterSpec"]["rayVersion"]
    assert f'"ray[default]=={version}"' in image
    assert f"ray=={version}\n" in (ROOT / "constraints.txt").read_text()
    assert f"-t {container_of(groups_of(job)[0])['image']} ." in image
    user = groups_of(job)[0]["template"]["spec"]["securityContext"]["runAsUser"]
    assert f"useradd --create-home --uid {user} genretune\nUSER genretune\n" in image


def test_the_image_gets_all_that_the_package_is_built_from() -> None:
    image = (FOLDER / "Dockerfile").read_text()
    copied = {word for line in re.findall(r"^COPY (.*)", image, re.M) for word in line.split()[:-1]}
    assert all((ROOT / name).exists() for name in copied)
    assert {"pyproject.toml", "README.md", "LICENSE", "constraints.txt"} <= copied
    packages = re.findall(
        r'^"genretune\.\w+" = "(\w+)"$', (ROOT / "pyproject.toml").read_text(), re.M
    )
    assert packages and set(packages) <= copied
