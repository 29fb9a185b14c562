"""The driver before it dispatches anything."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from genretune.tune.dispatch import driver
from genretune.tune.dispatch.driver_job import DriverJob, NewRun
from genretune.tune.dispatch.join import Workers
from genretune.tune.dispatch.run_options import Resources
from genretune.tune.dispatch.signals import Interrupted, InterruptionKind, StopSignal
from genretune.tune.space.load import space_from_text
from genretune.tune.storage.run_dir import RunDir
from tests.spaces import tiny_space


@pytest.mark.parametrize(
    ("kind", "raised", "ends"),
    [
        ("interrupted", Interrupted, "interrupted"),
        ("interrupted", SystemError, "interrupted"),  # what Ray makes of it in places
        (None, Interrupted, "terminated"),  # SIGTERM while Ray had its own handler
    ],
)
def test_a_signal_while_ray_starts_leaves_no_run_directory(
    kind: InterruptionKind | None,
    raised: type[BaseException],
    ends: InterruptionKind,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop_signal = StopSignal()

    @contextmanager
    def join(job: DriverJob, before: Mapping[str, object]) -> Iterator[Workers]:
        stop_signal.kind = kind
        raise raised
        yield

    monkeypatch.setattr(driver, "join", join)
    space = tiny_space(2)
    new_run = NewRun(space, {"space": space_from_text(space, "tiny.yaml", []).as_json()})
    run = RunDir(tmp_path / "run")
    resources = Resources(1.0, 0.0)
    job = DriverJob(str(run.path), "cpu", "strict", resources, "", "", (), {}, new_run=new_run)
    hooks = driver.DriverHooks(show=lambda controller: None)
    with pytest.raises(Interrupted):
        driver.drive(run, job, stop_signal=stop_signal, hooks=hooks)
    assert stop_signal.kind == ends and not run.path.exists()
