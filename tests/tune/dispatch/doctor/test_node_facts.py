"""What a node tells about itself."""

import os
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from genretune.tune.dispatch.cluster import connection_error
from genretune.tune.dispatch.doctor import node_facts
from genretune.tune.dispatch.doctor.node_facts import (
    cache_facts,
    collect_facts,
    file_system,
    gpus_of_driver,
    nearest_existing,
)
from genretune.tune.storage.object_store import ObjectStore
from tests.s3_server import S3

MOUNTS = """\
/dev/vda / ext4 rw,relatime 0 0
server:/home /home nfs4 rw,vers=4.2 0 0
scratch@tcp:/scratch /home/shared\\040scratch lustre rw 0 0
/dev/nvme0n1 /home/me/local xfs rw 0 0
tmpfs /home/me/hidden tmpfs rw 0 0
server:/hidden /home/me/hidden nfs rw 0 0
"""


class Nvml:
    """Stands in for pynvml, with two GPUs; the second is in use."""

    class NVMLError(Exception):
        pass

    def __init__(self, driver: bool = True) -> None:
        self.driver = driver
        self.open = False

    def nvmlInit(self) -> None:  # noqa: N802
        if not self.driver:
            raise self.NVMLError("Driver Not Loaded")
        self.open = True

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.open = False

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        assert self.open
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetName(self, handle: int) -> str:  # noqa: N802
        return "NVIDIA H100"

    def nvmlDeviceGetUUID(self, handle: int) -> bytes:  # noqa: N802
        return b"GPU-%d" % handle

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(used=handle * 10**9)

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[SimpleNamespace]:  # noqa: N802
        return [SimpleNamespace(pid=4242)] * handle


def test_a_node_tells_what_it_can_use_and_leaves_nothing_behind(tmp_path: Path) -> None:
    facts = collect_facts({"data": str(tmp_path), "out": str(tmp_path / "runs" / "new")})
    assert facts["data"] == "readable" and facts["run_directory"] == "writable"
    assert facts["write"] > 0 and facts["disk"] > 0
    assert facts["pid"] == os.getpid() and facts["machine_class"]
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_on_cpus_compares_cpus_also_on_nodes_with_gpus(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = "genretune.tune.reproducibility.environment"
    monkeypatch.setattr(f"{environment}.available_device", lambda: "cuda")
    facts = collect_facts({"data": None, "out": None, "device": "cpu"})
    assert facts["device"] == "cpu" and "unknown" not in facts["machine_class"]
    unknown = collect_facts({"data": None, "out": None})
    assert unknown["device"] == "cuda" and unknown["machine_class"].startswith("unknown: ")


def test_unreadable_data_and_unwritable_run_directories_are_reported() -> None:
    facts = collect_facts({"data": "/nowhere/at/all", "out": "/proc/runs"})
    assert "No such file" in facts["data"]
    assert facts["run_directory"] != "writable" and facts["disk"] == 0
    assert "write" not in facts


def test_a_port_that_accepts_no_connection_is_reported_with_the_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert connection_error(address) == ""
        assert collect_facts({"data": None, "out": None, "head": address})["head"] == ""
    assert "Connection refused" in connection_error(address)


def test_s3_is_checked_on_request(s3: S3) -> None:
    own = {"data": None, "out": None}
    facts = collect_facts({**own, "storage": s3.uri("doctor")})
    assert facts["s3"] == "writable" and ObjectStore(s3.uri("doctor")).sizes() == {}
    wrong = collect_facts({**own, "storage": s3.uri("doctor", bucket="another")})
    assert "bucket" in wrong["s3"]


def test_gpus_come_from_the_nvidia_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = Nvml()
    monkeypatch.setattr(node_facts, "pynvml", nvml)
    assert gpus_of_driver() == [
        {"name": "NVIDIA H100", "uuid": "GPU-0", "memory": 0, "processes": []},
        {"name": "NVIDIA H100", "uuid": "GPU-1", "memory": 10**9, "processes": [4242]},
    ]
    assert not nvml.open


def test_without_an_nvidia_driver_nothing_is_known_of_gpus(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(node_facts, "pynvml", Nvml(driver=False))
    assert gpus_of_driver() is None


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/homes/x", "ext4"),
        ("/home/me/.cache", "nfs4"),
        ("/home/shared scratch/runs", "lustre"),
        ("/home/me/local/cache", "xfs"),
        ("/home/me/hidden", "nfs"),
    ],
)
def test_the_innermost_and_latest_mount_has_a_path(path: str, kind: str) -> None:
    assert file_system(Path(path), MOUNTS) == kind


def test_without_a_table_of_mounts_the_file_system_is_unknown() -> None:
    assert file_system(Path("/"), "") == "unknown"


def test_the_cache_is_described_and_not_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GENRETUNE_CACHE", str(tmp_path / ".cache" / "genretune"))
    facts = cache_facts()
    assert facts["path"] == str(tmp_path / ".cache" / "genretune")
    assert facts["in_home"] and facts["writable"] and facts["free"] > 0
    assert not (tmp_path / ".cache").exists()
    monkeypatch.setenv("HOME", str(tmp_path / "another"))
    assert not cache_facts()["in_home"]


def test_missing_folders_are_those_that_search_creates(tmp_path: Path) -> None:
    assert nearest_existing(tmp_path / "a" / "b") == tmp_path
