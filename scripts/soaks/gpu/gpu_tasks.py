"""What the processes of the soak test look up or compute apart from whole trials."""

import platform
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from genretune.data.batches import ResidentSamples, gather
from genretune.models.layers import to_device
from genretune.models.pooling import max_pool_by_slices, max_pool_on_cuda
from genretune.scripts.soaks.gpu.cases import PRECISIONS
from genretune.scripts.soaks.gpu.processes import Answer
from genretune.scripts.soaks.gpu.sizes import SIZES, settings, tones
from genretune.tune.reproducibility import determinism
from genretune.tune.reproducibility.environment import environment, machine_class, require_device
from genretune.tune.reproducibility.gpu_facts import gpu_facts
from genretune.tune.training import waveforms
from genretune.tune.training.components import build_components
from genretune.tune.training.inputs import EpochInputs
from genretune.tune.training.resolve_config import trial_config

Request = Mapping[str, Any]

# a machine may lack what a trial does not need
_NOT_NEEDED = {
    *("genretune", "scipy", "ray", "optuna", "pyarrow", "soundfile", "soxr", "safetensors"),
    *("git_commit", "git_dirty"),
}


def header(request: Request) -> Iterator[Answer]:
    """Return the facts that stand in the first line of a record.

    Raises:
        TuneError: the device does not exist.
    """
    require_device(request["device"])
    environs = environment(request["device"], "strict")
    names = ("torch", "torchaudio", "numpy", "python", "os", "cpu", "cpu_capability", "code")
    facts = {name: environs[name] for name in names}
    gpu = dict.fromkeys(("gpu", "driver", "cuda", "cudnn"))
    if request["device"] == "cuda":
        gpu = {name: gpu_facts()[name] for name in gpu}
    wanted = {"device": request["device"], "size": request["size"]}
    yield {"key": "facts", "facts": facts | gpu | wanted | {"machine": platform.machine()}}


def class_facts(request: Request) -> Iterator[Answer]:
    """Look at the environment, the machine class and torch's flags of each precision."""
    device = request["device"]
    whole = environment(device, "strict")
    unknown = sorted(name for name, value in whole.items() if value is None)
    yield {
        "key": "no fact is unknown",
        "passed": not set(unknown) - _NOT_NEEDED,
        "detail": f"unknown: {', '.join(unknown) or 'none'}",
    }
    name = whole["machine_class"]
    yield {"key": "machine class", "passed": "None" not in name, "detail": name}
    if device == "cuda":
        quarter = machine_class(device, "strict", 0.25)
        passed = quarter != name and "0.25 of the GPU" in quarter
        yield {"key": "machine class of a quarter", "passed": passed, "detail": quarter}
    for precision in PRECISIONS:
        determinism.apply("strict", threads=1, precision=precision)
        flags = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        passed = flags == (precision == "tf32",) * 2
        yield {"key": f"flags of {precision}", "passed": passed, "detail": f"TF32 {flags}"}
    yield {"key": "products by precision", "measured": _products(device)}


def _products(device: str) -> dict[str, str]:
    """Return whether a matrix product in TF32 differs from one in float32."""
    a = torch.linspace(0.0, 1.0, 512 * 512, device=device).reshape(512, 512)
    found = {}
    for precision in PRECISIONS:
        determinism.apply("strict", threads=1, precision=precision)
        found[precision] = a @ a
    equal = torch.equal(found["fp32"], found["tf32"])
    return {"tf32": "as fp32" if equal else "other bits than fp32"}


def pooling(request: Request) -> Iterator[Answer]:
    """Compare torch's own max-pooling with slices, on the device and with the CPU, bit by bit."""
    determinism.apply("strict", threads=1, precision="fp32")
    for key in request["keys"]:
        overlap, dtype, layout = _POOLINGS[key]
        geometry = (3, 2, 1) if overlap else (2, 2, 0)
        x = torch.randn(8, 16, 65, 43, generator=torch.Generator().manual_seed(1))
        # rounded, so that equal values are frequent: the first of them counts
        x = x.mul(2).round().to(dtype).contiguous(memory_format=layout)
        on_cpu = _pooled(max_pool_by_slices, x, geometry)
        x = x.to(request["device"])
        slices, again = (_pooled(max_pool_by_slices, x, geometry) for _ in range(2))
        ours = _pooled(max_pool_on_cuda, x, geometry)
        native = _pooled(F.max_pool2d, x, geometry) if not overlap else None
        wrong = {
            "slices differ from run to run": not _equal(slices, again),
            "slices differ from the CPU": not _equal(slices, on_cpu),
            "ours differs from slices": not _equal(ours, slices),
            "torch's own differs from slices": native is not None and not _equal(native, slices),
        }
        found = [text for text, is_wrong in wrong.items() if is_wrong]
        times = ", ".join(
            f"{name} {_milliseconds(pool, x, geometry):.3f} ms"
            for name, pool in (("slices", max_pool_by_slices), ("ours", max_pool_on_cuda))
        )
        yield {"key": key, "passed": not found, "detail": "; ".join([*found, times])}


_POOLINGS: dict[str, tuple[bool, torch.dtype, torch.memory_format]] = {
    f"{'overlapping' if overlap else 'separate'} patches, {name}, {layout_name}": (
        overlap,
        dtype,
        layout,
    )
    for overlap in (False, True)
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16))
    for layout_name, layout in (
        ("channels last", torch.channels_last),
        ("contiguous", torch.contiguous_format),
    )
}
POOLINGS = tuple(_POOLINGS)

Pool = Callable[..., Tensor]


def _pooled(pool: Pool, x: Tensor, geometry: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """Return the pooled image and the gradient of x, on the CPU."""
    image, gradient = _passes(pool, x, geometry)
    return image.cpu(), gradient.cpu()


def _passes(pool: Pool, x: Tensor, geometry: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """Return the pooled image and the gradient of x."""
    x = x.detach().requires_grad_()
    out = pool(x, *geometry)
    # small whole numbers: torch adds those of 16 bits in float32 and rounds once
    upstream = torch.arange(out.numel(), device=x.device).remainder(7).reshape(out.shape)
    (gradient,) = torch.autograd.grad(out, x, upstream.to(out.dtype))
    return out.detach(), gradient


def _equal(one: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def _milliseconds(pool: Pool, x: Tensor, geometry: tuple[int, int, int]) -> float:
    """Return the time of a forward and a backward pass."""
    passes = 20
    _pooled(pool, x, geometry)
    began = time.perf_counter()
    for _ in range(passes):
        _passes(pool, x, geometry)
    if x.is_cuda:
        torch.cuda.synchronize(x.device)
    return 1000.0 * (time.perf_counter() - began) / passes


def samples(request: Request) -> Iterator[Answer]:
    """Compare the ways in which samples reach the device, bit by bit."""
    device, corpus = torch.device(request["device"]), tones(request["size"])
    config = trial_config(settings(request["size"], request["device"]))
    determinism.apply("strict", threads=1, precision="fp32")
    components = build_components(config, corpus)
    subset, length = components.train, components.samples
    resident = ResidentSamples(corpus, range(len(corpus)), partial(to_device, device=device))
    rows, places = np.arange(len(subset)), resident.places(subset.windows).to(device)
    for key, moved in (("cut on the device", 0), ("moved and cut on the device", length // 3)):
        offsets = np.full(len(rows), moved)
        on_cpu = gather(corpus, subset.windows, rows, length=length, offsets=offsets)
        at = torch.from_numpy(offsets).to(device)
        found = resident.gather(places, length=length, offsets=at)
        yield {"key": key, "passed": torch.equal(found.cpu(), on_cpu)}
    if device.type == "cuda":
        yield {"key": "on the GPU where they fit", "passed": components.resident is not None}
    here = _images(request)
    waveforms.SAMPLES_SHARE = 0.0  # as on a GPU that has no room for them
    yield {"key": "sent ahead", "passed": _equal(_images(request), here)}


def _images(request: Request) -> tuple[Tensor, ...]:
    """Return the images of an epoch, in batches."""
    micro = SIZES[request["size"]].batch // 2
    changes: dict[str, Any] = {"window": {"random_offset": True}}
    changes["augment"] = {"mixup": {}, "gain": {}}
    changes["micro_batch_size"] = micro
    config = trial_config(settings(request["size"], request["device"], **changes))
    inputs = EpochInputs(build_components(config, tones(request["size"])), 1)
    chunks = (chunk for batch in inputs.batches() for chunk in batch.split(micro))
    return tuple(inputs.images(chunk).cpu() for chunk in chunks)


def gpu_memory(request: Request) -> Iterator[Answer]:
    """Return how many MB of the GPU are taken, by all processes."""
    free, total = torch.cuda.mem_get_info()
    yield {"key": request["keys"][0], "MB": (total - free) // 2**20}
