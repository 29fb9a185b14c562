"""What a node can tell about itself: software, memory, clock, GPUs, storage, data and cache.

Runs on the node. ``doctor`` turns the facts into findings.
"""

import os
import platform
import shutil
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import pynvml

from genretune.tune.dispatch.cluster import connection_error
from genretune.tune.storage.atomic_io import write_atomically

_PACKAGES = ("genretune", "torch", "torchaudio", "ray", "numpy", "pyarrow", "soundfile", "soxr")
_PROBES = 5  # files written to measure the storage
_PROBE_BYTES = 1_000_000  # of each: a small network with Adam's state
_MOUNTS = Path("/proc/self/mounts")
# Found in the names of file systems that several machines share: nfs4, fuse.sshfs, fuse.glusterfs.
_NETWORK_FILE_SYSTEMS = (
    *("nfs", "lustre", "gpfs", "beegfs", "ceph", "gluster", "cifs", "smb", "afs", "wekafs"),
    *("panfs", "orangefs", "pvfs", "sshfs"),
)


def process_facts() -> dict[str, Any]:
    """Return this process's host and id, and the versions that must be equal on all machines."""
    return {
        "host": platform.node(),
        "pid": os.getpid(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def collect_facts(targets: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts about the node that runs this.

    Args:
        targets: what it must be able to use: ``data`` and ``out``, paths or None; ``storage``, a
            URI in S3; ``head``, HOST:PORT of Ray's head; ``level`` and ``device``, of the machine
            class.
    """
    import psutil

    from genretune.tune.reproducibility.environment import available_device, machine_class

    facts: dict[str, Any] = {
        **process_facts(),
        "time": time.time(),
        "memory": psutil.virtual_memory().available,
        # before torch opens the GPUs, which would make this process one of their users
        "driver_gpus": gpus_of_driver(),
        "gpus": gpus_of_torch(),
        "cache": cache_facts(),
    }
    # a head without GPUs is no failure in a sweep that trains on CUDA
    facts["device"] = "cpu" if targets.get("device") == "cpu" else available_device()
    try:
        facts["machine_class"] = machine_class(facts["device"], targets.get("level", "strict"))
    except Exception as error:  # a broken torch installation is a finding, not a failure here
        facts["machine_class"] = f"unknown: {error}"
    if targets["data"] is not None:
        facts["data"] = _try_reading(Path(targets["data"]))
    if targets["out"] is not None:
        facts |= _try_writing(Path(targets["out"]))
    if targets.get("storage") is not None:
        facts["s3"] = _try_s3(targets["storage"])
    if targets.get("head") is not None:
        facts["head"] = connection_error(targets["head"])
    return facts


def gpus_of_driver() -> list[dict[str, Any]] | None:
    """Return the GPUs that the NVIDIA driver has; None without the driver.

    Each has ``name``, ``uuid``, ``memory`` (bytes in use, with what the driver itself reserves)
    and ``processes`` (ids of compute processes; those of other containers may be hidden). The
    driver also has GPUs that CUDA_VISIBLE_DEVICES hides from torch.
    """
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        handles = [
            pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())
        ]
        return [
            {
                "name": _text(pynvml.nvmlDeviceGetName(handle)),
                "uuid": _text(pynvml.nvmlDeviceGetUUID(handle)),
                "memory": int(pynvml.nvmlDeviceGetMemoryInfo(handle).used),
                "processes": [
                    process.pid for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
                ],
            }
            for handle in handles
        ]
    except pynvml.NVMLError:  # a driver that is being replaced or has lost a GPU
        return None
    finally:
        pynvml.nvmlShutdown()


def gpus_of_torch() -> list[dict[str, str]]:
    """Return ``name`` and ``uuid`` of the GPUs that torch can use."""
    import torch

    if not torch.cuda.is_available():
        return []
    found = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
    return [{"name": one.name, "uuid": str(getattr(one, "uuid", ""))} for one in found]


def cache_facts() -> dict[str, Any]:
    """Return facts about the folder of packed corpora, which is not created.

    Returns:
        ``path``, ``file_system`` (type), ``network`` (whether machines share it), ``in_home``,
        ``free`` (bytes) and ``writable``.
    """
    from genretune.data.store import cache_path

    path = cache_path()
    existing = nearest_existing(path)
    kind = file_system(existing, _mounts())
    return {
        "path": str(path),
        "file_system": kind,
        "network": any(name in kind for name in _NETWORK_FILE_SYSTEMS),
        "in_home": existing.resolve().is_relative_to(Path.home().resolve()),
        "free": shutil.disk_usage(existing).free,
        "writable": os.access(existing, os.W_OK | os.X_OK),
    }


def file_system(path: Path, mounts: str) -> str:
    """Return the type of the file system that a path is on, ``unknown`` if no mount has it.

    Args:
        mounts: content of /proc/self/mounts: device, mount point and type in each line. Spaces in a
            mount point are written ``\\040``.
    """
    best, kind = -1, "unknown"
    for _, point, name in _mount_fields(mounts):
        # the later of two mounts on one point hides the earlier
        if path.resolve().is_relative_to(point) and len(point) >= best:
            best, kind = len(point), name
    return kind


def nearest_existing(path: Path) -> Path:
    """Return the path, or the nearest folder above it that exists: search creates missing ones."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _text(value: str | bytes) -> str:
    """Return a string of NVML, which older packages give as bytes."""
    return value.decode() if isinstance(value, bytes) else value


def _mounts() -> str:
    try:
        return _MOUNTS.read_text(errors="surrogateescape")
    except OSError:  # not Linux
        return ""


def _mount_fields(mounts: str) -> Iterator[tuple[str, str, str]]:
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) >= 3:
            yield fields[0], fields[1].replace("\\040", " "), fields[2]


def _try_reading(path: Path) -> str:
    """Return ``readable``, or why a file or folder is not."""
    try:
        if path.is_dir():
            next(iter(path.iterdir()), None)
        else:
            with path.open("rb") as file:
                file.read(1)
    except OSError as error:
        return f"{error.strerror}: {path}"
    return "readable"


def _try_writing(path: Path) -> dict[str, Any]:
    """Return ``run_directory``: ``writable`` or why it is not; ``disk``: free bytes; ``write``.

    ``write`` is the median number of seconds to write a file as a checkpoint is written: beside,
    fsynced, renamed. It is missing if the folder is not writable.
    """
    path = nearest_existing(path)
    probe = path / f".genretune-doctor-{platform.node()}-{os.getpid()}"
    content = os.urandom(_PROBE_BYTES)  # some file systems compress
    seconds = []
    try:
        for _ in range(_PROBES):
            began = time.perf_counter()
            write_atomically(probe, content)
            seconds.append(time.perf_counter() - began)
    except OSError as error:
        return {"run_directory": f"{error.strerror}: {path}", "disk": 0}
    finally:
        with suppress(OSError):
            probe.unlink()
    return {
        "run_directory": "writable",
        "disk": shutil.disk_usage(path).free,
        "write": statistics.median(seconds),
    }


def _try_s3(uri: str) -> str:
    """Return ``writable``, or why an object cannot be created below a URI and deleted again."""
    from genretune.tune.storage.atomic_io import StorageFailure
    from genretune.tune.storage.object_store import ObjectStore

    name = f"probe-{platform.node()}-{os.getpid()}"
    try:
        objects = ObjectStore(uri)
        objects.put(name, b"")
        objects.delete(name)
    except StorageFailure as error:
        return str(error).partition(", got ")[2][:120]
    return "writable"
