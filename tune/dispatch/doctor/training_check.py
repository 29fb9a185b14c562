"""One short epoch of a sweep's first trial on every node, and a comparison of the weights.

It proves device, samples, storage and machine class of a node before the trials of a sweep do not.
A small sweep is created beside the run directories and removed again; each node runs one segment of
it as a worker does: with the worker's environment variables and resources, from ``sweep.json`` and
under a lease, until the first epoch is stored.
"""

import os
import platform
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from genretune.data.transfer import store_bytes
from genretune.tune.dispatch.cluster import worker_environment
from genretune.tune.dispatch.doctor.findings import Finding
from genretune.tune.dispatch.doctor.node_facts import nearest_existing
from genretune.tune.dispatch.doctor.short_epoch import describe_error, shorten, train_one_epoch
from genretune.tune.dispatch.nodes.choice import misfit
from genretune.tune.dispatch.nodes.description import install_samples, node_name
from genretune.tune.dispatch.nodes.task import submit_to_node
from genretune.tune.dispatch.ray_errors import last_line
from genretune.tune.dispatch.run_options import Resources
from genretune.tune.errors import TuneError
from genretune.tune.run.sweep_setup import Sweep
from genretune.tune.storage.object_store import ObjectStore
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.storage.s3_run import S3Run
from genretune.tune.sweep.plan import first_configurations
from genretune.tune.sweep.trial_sampling import trial_seed

_TIMEOUT = 600.0  # s for a node to start and train


@dataclass(frozen=True)
class TrainingCheck:
    """What is trained, and where it is stored.

    Attributes:
        sweep: of the user's search space, set up as for a search.
        resources: of one trial.
        out: folder for run directories.
        storage: URI in S3 of checkpoints and records; None for the run directory.
    """

    sweep: Sweep
    resources: Resources
    out: Path
    storage: str | None = None


def check_training(check: TrainingCheck) -> list[Finding]:
    """Train on every node of the cluster that Ray is connected to; return a finding for each."""
    import ray

    resources = check.resources.resolved(check.sweep.device, check.sweep.threads)
    check = replace(check, resources=resources)
    findings, names = [], dict[str, str]()
    alive = [node for node in ray.nodes() if node["Alive"]]
    for node in alive:
        name = node_name(node["NodeManagerHostname"], node["NodeID"])
        if resources.trials_within(node["Resources"]) > 0:
            names[node["NodeID"]] = name
        else:
            findings.append(Finding(name, "training", "none: no trial fits here"))
    try:
        if not names:
            raise misfit(resources, [node["Resources"] for node in alive])
        with temporary_run(check) as order:
            results = _train_on(names, order, resources, check.sweep)
    except TuneError as error:
        told = {"remedy": "see the other findings about GPUs and storage", **describe_error(error)}
        return [*findings, Finding("all", "training", told["error"], told["remedy"], "FAILED")]
    return [*findings, *compare_weights(results)]


def compare_weights(results: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """Return a finding for each node that trained: nodes of one machine class must agree.

    Args:
        results: of ``train_one_epoch``, by the node's name.
    """
    digests = defaultdict[str, list[str]](list)
    for result in results.values():
        if "error" not in result:
            digests[result["machine_class"]].append(result["weights_sha256"])
    findings = []
    for node, result in results.items():
        if "error" in result:
            remedy = result.get("remedy") or _remedy(result["error"])
            findings.append(Finding(node, "training", result["error"], remedy, "FAILED"))
            continue
        own, peers = result["weights_sha256"], digests[result["machine_class"]]
        found = (
            f"weights {own[:12]} after an epoch on {result['device']}, {result['seconds']:.1f} s"
        )
        counts = Counter(peers)
        agreeing = counts.pop(own) - 1
        if not counts or agreeing + 1 > max(counts.values()):
            found += f", as on {agreeing} other node{'s' * (agreeing > 1)}" if agreeing else ""
            findings.append(Finding(node, "training", found))
            continue
        other, number = counts.most_common(1)[0]
        found += f"; {other[:12]} on {number} of {len(peers)} nodes of its machine class"
        remedy = (
            "compare library builds and plug-ins of the nodes, test its memory and GPU, or leave "
            "it out: one machine class must compute the same bits"
        )
        findings.append(Finding(node, "training", found, remedy, "FAILED"))
    return findings


@contextmanager
def temporary_run(check: TrainingCheck) -> Iterator[dict[str, Any]]:
    """Create a sweep for a ``with`` block; yield what ``train_one_epoch`` needs besides a trial."""
    (parameters,) = first_configurations(check.sweep.space, 1)
    sweep = shorten(check.sweep, parameters)
    name = f".genretune-doctor-{platform.node()}-{os.getpid()}"
    run = RunDir(nearest_existing(check.out.absolute()) / name)
    storage = None if check.storage is None else _below(check.storage, name.lstrip("."))
    try:
        run.create("", sweep.as_json(), storage)
        with run.drive() as generation:
            if storage is not None:
                S3Run(run, ObjectStore(storage)).claim(generation, sweep.plugin_files)
            yield {
                "run": str(run.path),
                "storage": storage,
                "generation": generation,
                "parameters": parameters,
                "seed": trial_seed(sweep.space, 0),
                "plugins": [str(path.absolute()) for path in sweep.plugin_files],
                "store": str(sweep.store.path.absolute()),
                "gpu_share": check.resources.gpu_share,
            }
    finally:
        shutil.rmtree(run.path, ignore_errors=True)
        if storage is not None:
            _delete_objects(storage)


def _below(uri: str, name: str) -> str:
    """Return the URI of a prefix below another; its query stays."""
    parts = urlsplit(uri)
    return parts._replace(path=f"{parts.path.rstrip('/')}/{name}").geturl()


def _delete_objects(storage: str) -> None:
    with suppress(TuneError):  # S3 that fails is a finding by now
        objects = ObjectStore(storage)
        for name in objects.sizes():
            objects.delete(name)


def _train_on(
    names: Mapping[str, str], order: Mapping[str, Any], resources: Resources, sweep: Sweep
) -> dict[str, dict[str, Any]]:
    """Return the results of ``train_one_epoch`` by node; ``error`` in place of a failed one's.

    A node without the samples gets them and trains again, as in a sweep.

    Args:
        names: of the nodes, by id.
    """
    import ray

    bundle = resources.bundle()
    options: dict[str, Any] = {
        "num_cpus": bundle["CPU"],
        "num_gpus": bundle["GPU"],
        "max_retries": 0,
        # added to the cluster's, which are for checks that see all GPUs
        "runtime_env": {"env_vars": worker_environment(sweep.level, bundle["GPU"] > 0)},
    }

    def train(node_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        orders = {one: {**order, "trial": list(names).index(one)} for one in node_ids}
        return _gather({one: _submit(one, orders[one], options) for one in orders})

    results = train(names)
    lacking = {one: result["samples"] for one, result in results.items() if "samples" in result}
    if lacking:
        packed = ray.put(store_bytes(sweep.store))
        results |= _gather(
            {one: submit_to_node(one, _install, packed, lacking[one]) for one in lacking}
        )
        results |= train(one for one in lacking if "error" not in results[one])
    return {names[node_id]: result for node_id, result in results.items()}


def _submit(node_id: str, order: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
    """Submit ``train_one_epoch`` to a node, in a process that ends with it; return a reference."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    strategy: Any = NodeAffinitySchedulingStrategy(node_id, soft=False)
    task: Any = ray.remote(max_calls=1)(train_one_epoch)
    return task.options(scheduling_strategy=strategy, **options).remote(order)


def _install(packed: Any, samples: str) -> dict[str, Any]:
    """Write the packed corpus into this node's cache; return ``error`` if that fails."""
    try:
        install_samples(packed, samples)
    except Exception as error:
        return describe_error(error)
    return {}


def _gather(references: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the results of tasks by the id of their node; ``error`` for those that failed."""
    import ray

    end, results = time.monotonic() + _TIMEOUT, dict[str, dict[str, Any]]()
    for node_id, reference in references.items():
        try:
            result = ray.get(reference, timeout=max(end - time.monotonic(), 0.1))
        except ray.exceptions.GetTimeoutError:
            result = {"error": f"no answer within {_TIMEOUT:g} s"}
        except ray.exceptions.RayError as error:
            result = {"error": last_line(error)[:200]}
        results[node_id] = result
    return results


def _remedy(error: str) -> str:
    """Return what to do about the error of one node."""
    if "out of memory" in error:
        return (
            "lower trial.batch_size or trial.micro_batch_size, or give a trial more (--resources)"
        )
    if error.startswith("no answer within"):
        return "see whether other jobs hold its resources (ray status), or leave it out"
    if "diverged" in error:
        return "lower the learning rates of the space, whose first trial diverges at once"
    if "must be readable and writable" in error or "must stay readable" in error:
        return "mount --out under this path, writable by this user"
    return "make this command pass on the node alone (genretune doctor --train), or leave it out"
