"""The driver's job crosses the exec as JSON."""

from genretune.tune.dispatch.driver_job import DriverJob, job_from_json
from genretune.tune.dispatch.run_options import Resources, RunOptions


def test_a_job_survives_as_json() -> None:
    job = DriverJob(
        run="runs/a b",
        device="cpu",
        level="strict",
        resources=Resources(2.0, 0.5),
        store="/store",
        samples="abc",
        plugins=("/p.py",),
        environment={"torch": "2"},
        options=RunOptions(resources=Resources(gpu=0.5), until=1.5, keep="best"),
        trials="+3",
        give_up=(4,),
    )
    assert job_from_json(job.as_json()) == job
