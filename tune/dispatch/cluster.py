"""Ray, started or joined for one command and shut down after it."""

import logging
import os
import secrets
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from genretune.tune.dispatch.nodes.task import submit_to_node
from genretune.tune.dispatch.package_wheel import build_wheel
from genretune.tune.dispatch.ray_errors import first_line
from genretune.tune.dispatch.signals import Interrupted
from genretune.tune.errors import RunFailure, TuneError
from genretune.tune.reproducibility import code_digest
from genretune.tune.reproducibility.determinism_env import ENVIRONMENT, MALLOC_ENVIRONMENT
from genretune.tune.reproducibility.literals import Level

_CONNECT_TIMEOUT = 3.0  # s
_DIGEST_TIMEOUT = 30.0  # s for all nodes to report the digest of their package

# Read by Ray when it is imported or started; none of it changes a result.
_RAY_SETTINGS = {
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

# Makes Ray take 127.0.0.1 as its address and listen there only; read when it is imported.
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


@contextmanager
def cluster(address: str, *, level: Level, gpus: bool) -> Iterator[None]:
    """Connect to Ray for a ``with`` block, with this process's package on every node.

    Args:
        address: ``local`` starts Ray for this command alone; ``auto`` and ``HOST:PORT`` join one.
        gpus: whether trials are granted GPUs; otherwise they see none.

    Raises:
        TuneError: no cluster answers at the address, or it wants another token.
        RunFailure: Ray did not start.
    """
    os.environ.update(_RAY_SETTINGS)
    if address == "local":
        os.environ.update(_LOOPBACK)
    _choose_authentication(address)
    import ray

    if ":" in address and (error := connection_error(address)):
        # Ray would try for minutes
        raise TuneError(
            f"--address: must be a running Ray cluster, got {error} (ray start --head there, or "
            "open its port)"
        )
    variables = worker_environment(level, gpus)
    with tempfile.TemporaryDirectory(prefix="genretune-wheel-") as scratch:
        try:
            _connect(address, {"env_vars": variables})
            if address != "local" and _package_differs():
                # a runtime environment is fixed for a connection, so connect again with the wheel
                ray.shutdown()
                wheel = str(build_wheel(Path(scratch)))
                _connect(address, {"env_vars": variables, "py_modules": [wheel]})
            yield
        finally:
            ray.shutdown()
            log_to(None)


def _choose_authentication(address: str) -> None:
    """Set Ray's authentication mode by the token at hand, unless the user has set the mode.

    It must be set before Ray is imported. A client with a token can join a cluster without
    authentication, but not the other way round.
    """
    if "RAY_AUTH_MODE" in os.environ:
        return
    if _has_token():
        os.environ["RAY_AUTH_MODE"] = "token"
    elif address == "local":
        # for this process and its children only; Ray would write one that everybody may read to
        # ~/.ray, where it would be taken for the token of a cluster later
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        os.environ["RAY_AUTH_MODE"] = "token"


def _has_token() -> bool:
    """Return whether Ray would find a token: in the environment, a named file or the home folder.

    Source: https://docs.ray.io/en/latest/ray-security/token-auth.html
    """
    if os.environ.get("RAY_AUTH_TOKEN"):
        return True
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    return Path(named or Path.home() / ".ray" / "auth_token").is_file()


def cluster_is_open() -> bool:
    """Return whether the cluster that Ray is connected to takes jobs from everybody on its network.

    A worker is asked, since this process may have a token that the cluster does not want.
    """
    import ray

    def mode() -> str:  # local, so that it is sent by value: the node may lack this package
        import os

        return os.environ.get("RAY_AUTH_MODE", "")

    task: Any = ray.remote(mode)
    return str(ray.get(task.options(num_cpus=0).remote())).lower() != "token"


def connection_error(address: str) -> str:
    """Return why HOST:PORT accepts no TCP connection from here; empty if it does."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_TIMEOUT).close()
    except (OSError, ValueError) as error:
        return f"{address}: {getattr(error, 'strerror', None) or error}"
    return ""


def _connect(address: str, runtime_env: dict[str, Any]) -> None:
    import ray

    local_only: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    handler = signal.getsignal(signal.SIGTERM)
    try:
        log_to(None)
        ray.init(
            address=address,
            namespace="genretune",
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=False,
            runtime_env=runtime_env,
            **local_only,
        )
        log_to(None)  # again: ray.init has added its own handlers
    except ConnectionError as error:
        raise TuneError(
            f"--address: must be a running Ray cluster that takes this token, got {address} "
            f"{'with' if _has_token() else 'without'} a token ({first_line(error)})"
        ) from error
    except ray.exceptions.AuthenticationError as error:
        raise TuneError(
            "RAY_AUTH_MODE: token needs the token of the cluster, got none "
            "(set RAY_AUTH_TOKEN, or copy the cluster's ~/.ray/auth_token)"
        ) from error
    except SystemExit as error:  # Ray's own reaction to SIGTERM while it starts
        raise Interrupted from error
    except (RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise RunFailure(f"--address {address}: Ray did not start: {first_line(error)}") from error
    finally:
        signal.signal(signal.SIGTERM, handler)  # Ray's handler would exit this process with 15


def _package_differs() -> bool:
    """Return whether a node lacks this package or has other code of it."""
    import ray

    # by value: a node without the package could not import the module of the digest function
    ray.cloudpickle.register_pickle_by_value(code_digest)
    try:
        node_ids = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
        references = [submit_to_node(one, code_digest.code_digest, soft=True) for one in node_ids]
        ours = code_digest.code_digest()
        # a node that does not answer delays nobody: it is given no segments either
        answered, _ = ray.wait(references, num_returns=len(references), timeout=_DIGEST_TIMEOUT)
        try:
            return any(digest != ours for digest in ray.get(answered))
        except ray.exceptions.RayError:
            return True
    finally:
        ray.cloudpickle.unregister_pickle_by_value(code_digest)


def worker_environment(level: Level, gpus: bool) -> dict[str, str]:
    """Return the environment variables of workers: determinism, glibc memory, visible GPUs.

    Args:
        gpus: whether trials are granted GPUs; otherwise they see none.
    """
    variables = {name: value for name, value in ENVIRONMENT[level].items() if value is not None}
    variables |= MALLOC_ENVIRONMENT
    # a worker without a GPU keeps the CUDA_VISIBLE_DEVICES set here instead of Ray's
    variables["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    variables["TUNE_FUNCTION_THREAD_TIMEOUT_S"] = "60"  # a busy machine ends a segment slowly
    if not gpus:
        variables["CUDA_VISIBLE_DEVICES"] = ""
    return variables


def log_to(path: Path | None) -> None:
    """Send the driver's messages and Ray's errors to a file only; None closes it.

    Ray warns of much that is meant here, such as results without its own files.
    """
    handler = logging.NullHandler() if path is None else logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s"))
    for name, level in (("ray", logging.ERROR), ("genretune.driver", logging.INFO)):
        logger = logging.getLogger(name)
        for old in list(logger.handlers):
            logger.removeHandler(old)
            old.close()
        logger.addHandler(handler)
        logger.setLevel(level)
        logger.propagate = False
