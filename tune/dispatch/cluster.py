"""Ray, started or joined for one command, and shut down after it."""

import logging
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from genretune.tune.dispatch.node_task import on_node
from genretune.tune.dispatch.package_wheel import build_wheel
from genretune.tune.dispatch.run_options import Resources
from genretune.tune.dispatch.signals import Interrupted
from genretune.tune.errors import RunFailure, TuneError
from genretune.tune.reproducibility import code_digest as own_code
from genretune.tune.reproducibility.determinism_env import ENVIRONMENT, MEMORY
from genretune.tune.reproducibility.literals import Level

_ANSWER = 120.0  # s that nodes have to say which package they have

# Read by Ray when it is imported or started; none of it changes a result.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}

# Ray then takes 127.0.0.1 for its address, and listens there only; read when it is imported.
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


@contextmanager
def cluster(address: str, *, level: Level, gpus: bool, log: Path) -> Iterator[None]:
    """Ray at ``address`` for a ``with`` block, every node with the package of this process.

    Args:
        address: ``local`` starts one for this command alone; ``auto`` and ``HOST:PORT`` join one.
        gpus: whether trials are granted any; otherwise they see none.
        log: file that takes what Ray has to say.

    Raises:
        TuneError: no cluster answers there.
    """
    os.environ.update(_QUIET)
    if address == "local":
        os.environ.update(_LOOPBACK)
    os.environ.setdefault("RAY_AUTH_MODE", "token")  # Ray's own default, said without a banner
    import ray

    variables = worker_environment(level, gpus)
    with tempfile.TemporaryDirectory(prefix="genretune-wheel-") as scratch:
        try:
            _join(address, log, {"env_vars": variables})
            if address != "local" and _package_lacks():
                ray.shutdown()
                wheel = str(build_wheel(Path(scratch)))
                _join(address, log, {"env_vars": variables, "py_modules": [wheel]})
            yield
        finally:
            ray.shutdown()
            _log_to(None)


def _join(address: str, log: Path, runtime_env: dict[str, Any]) -> None:
    import ray

    own: dict[str, Any] = {}
    if address == "local":
        own = {"include_dashboard": False}
    handler = signal.getsignal(signal.SIGTERM)
    try:
        _log_to(log)
        ray.init(
            address=address,
            namespace="genretune",
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=False,
            runtime_env=runtime_env,
            **own,
        )
        _log_to(log)  # Ray has put its own handlers there
    except ConnectionError as error:
        raise TuneError(
            f"--address: must be a running Ray cluster, got {address} ({_first_line(error)})"
        ) from error
    except SystemExit as error:  # Ray's own answer to SIGTERM while it starts
        raise Interrupted from error
    except (RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise RunFailure(f"--address {address}: Ray did not start: {_first_line(error)}") from error
    finally:
        signal.signal(signal.SIGTERM, handler)  # Ray's would end this process with 15


def _package_lacks() -> bool:
    """Whether some node has not the very package that runs here."""
    import ray

    ray.cloudpickle.register_pickle_by_value(own_code)
    try:
        alive = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
        asked = [on_node(node, own_code.code_digest, soft=True) for node in alive]
        own = own_code.code_digest()
        try:
            return any(digest != own for digest in ray.get(asked, timeout=_ANSWER))
        except ray.exceptions.RayError:
            return True
    finally:
        ray.cloudpickle.unregister_pickle_by_value(own_code)


def worker_environment(level: Level, gpus: bool) -> dict[str, str]:
    """Environment variables of every worker: the level's, glibc's, and no GPU but a granted one."""
    wanted = {name: value for name, value in ENVIRONMENT[level].items() if value is not None}
    wanted |= MEMORY
    wanted["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"  # no GPU granted: leave what is set here
    wanted["TUNE_FUNCTION_THREAD_TIMEOUT_S"] = "60"  # a busy machine unwinds a segment slowly
    if not gpus:
        wanted["CUDA_VISIBLE_DEVICES"] = ""
    return wanted


def require_room(resources: Resources) -> int:
    """How many trials the cluster can run at once.

    Raises:
        TuneError: no node could ever run one; says what the cluster has.
    """
    import ray

    per_node = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    room = sum(resources.fits(node) for node in per_node)
    if room > 0:
        return room
    have = "; ".join(
        f"{int(node.get('CPU', 0))} CPU, {int(node.get('GPU', 0))} GPU" for node in per_node
    )
    raise TuneError(
        f"--resources: must fit on one node, got cpu={resources.cpu:g},gpu={resources.gpu:g} "
        f"(the cluster has {have})"
    )


def _log_to(path: Path | None) -> None:
    """Let Ray's words go to a file alone; None closes it."""
    logger = logging.getLogger("ray")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.addHandler(logging.NullHandler() if path is None else logging.FileHandler(path))
    logger.setLevel(logging.WARNING)
    logger.propagate = False


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
