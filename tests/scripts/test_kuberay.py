"""The RayJob for KubeRay, field by field."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

FOLDER = Path(__file__).parent.parent.parent / "scripts" / "cluster"


def test_the_rayjob_has_the_fields_that_kuberay_requires() -> None:
    job: Any = YAML(typ="safe").load((FOLDER / "kuberay.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]
    assert "genretune resume" in spec["entrypoint"] and "genretune search" in spec["entrypoint"]
    cluster = spec["rayClusterSpec"]
    pins = (FOLDER.parent.parent / "constraints.txt").read_text()
    assert f"ray=={cluster['rayVersion']}" in pins
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    images = set()
    for group in groups:
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        images.add(container["image"])
        volumes = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
    assert len(images) == 1
    for group in cluster["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
