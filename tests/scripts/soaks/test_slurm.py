"""The Slurm soak test refuses what it cannot do, and reports what jobs did otherwise."""

from pathlib import Path

import pytest

from genretune.scripts.soaks import slurm, slurm_jobs, slurm_scenarios

SBATCH = """\
#!/bin/sh
while [ "${1#--output}" = "$1" ]; do shift; done
echo "$GENRETUNE_ACTIVATE $*" >> submitted
echo 12
"""
SCONTROL = """\
#!/bin/sh
echo "JobId=12 JobName=genretune"
echo "   JobState=$STATE Reason=None"
echo "   Requeue=1 Restarts=2 BatchFlag=1 Reboot=0 ExitCode=3:0"
echo "   ReqNodeList=(null) ExcNodeList=(null)"
echo "   NodeList=node[1-2]"
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on PATH with fake commands of Slurm's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    fakes = {"sbatch": SBATCH, "scontrol": SCONTROL, "scancel": "#!/bin/sh\n"}
    for name, text in fakes.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def test_it_is_refused_without_slurm(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert slurm.main(["--workers", "spot", "--work", str(tmp_path / "work")]) == 2
    assert capsys.readouterr().err == (
        "scripts/soak slurm: sbatch: must be on PATH, got none (run it where jobs are submitted)\n"
    )
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cancle"], "must be one of undisturbed, "),
        (["cancelled-head"], "--workers: must be given for cancelled-head, "),
        (["cancel", "--work", "/"], "--work: must be a new folder, got /"),
    ],
)
def test_wrong_arguments_are_refused(
    arguments: list[str],
    message: str,
    programs: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(programs.parent)
    assert slurm.main(arguments) == 2
    assert message in capsys.readouterr().err
    assert not (programs.parent / "slurm-soak").exists()


def test_a_job_that_ends_otherwise_is_a_difference(
    programs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE", "FAILED")
    monkeypatch.setattr(slurm, "SCENARIOS", {"undisturbed": slurm_scenarios.no_ray})
    work = programs.parent / "work"
    assert slurm.main(["undisturbed", "--work", str(work), "--cpus", "3"]) == 1
    assert "job 12: must end as FAILED 1, got FAILED 3" in capsys.readouterr().out
    submitted = (work / "submitted").read_text()
    assert submitted.startswith(f"PATH={work / 'no-ray'}:$PATH --output=job-%j.out --nodes=2 ")
    assert (
        "--cpus-per-task=3" in submitted
        and f"{slurm_jobs.CLUSTER}/slurm.sh space.yaml" in submitted
    )


def test_a_state_is_read_from_scontrol(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE", "PENDING")
    jobs = slurm_jobs.Slurm(programs, (), timeout=0.0)
    assert jobs.state(12) == slurm_jobs.State("PENDING", 3, 2, "node[1-2]")
    with pytest.raises(slurm_jobs.Unexpected, match="within 0 s: the end of job 12"):
        jobs.end_of(12)
