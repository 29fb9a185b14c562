"""Fake commands of Slurm, Ray and genretune, to run the launch files in a shell."""

import subprocess
import time
from pathlib import Path

import pytest

Completed = subprocess.CompletedProcess[str]
FOLDER = Path(__file__).parent.parent.parent / "scripts" / "cluster"
FAKES = {
    "scontrol": """\
echo "scontrol $*" >> $TRACE
case "$1 $2" in
    "show job") echo "JobId=123"; echo "   Command=$SCRIPT space.yaml" ;;
    "show hostnames") printf "node1\\nnode2\\n" ;;
esac
""",
    "sbatch": 'echo "sbatch $* (${#RAY_AUTH_TOKEN} ${SLURM_JOB_ID:-outside})" >> $TRACE; echo 77\n',
    "squeue": """\
echo "squeue $*" >> $TRACE
case "$LISTED" in
    "") echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1 ;;
    down) echo "Unable to contact slurm controller" >&2; exit 1 ;;
    ended) ;;
    completing) [ $(grep -c ^squeue $TRACE) -gt 2 ] || echo "COMPLETING genretune me 0:00 node1" ;;
    *) echo "$LISTED" ;;
esac
""",
    "scancel": 'echo "scancel $*" >> $TRACE\n',
    "srun": """\
echo "srun $* (GPUs in all: ${SLURM_GPUS:-unset})" >> $TRACE
[ -z "$NO_STEP" ] || exit 1
while [ "${1%slurm_worker.sh}" = "$1" ]; do shift; done
exec "$@"
""",
    "ray": """\
echo "ray $* (${#RAY_AUTH_TOKEN})" >> $TRACE
[ -z "$NO_RAY" ] || exit 1
case "$1" in
    start) exec sleep 60 ;;
    status) printf "Active:\\n 1 node_aa\\n"; [ "$NODES" = 1 ] || echo " 1 node_bb" ;;
esac
""",
    "mktemp": "exec /usr/bin/mktemp -d $TRACE.ray-XXXXXX\\n",
    "getent": 'echo "127.0.1.1 STREAM node1"; echo "10.0.0.1 STREAM node1"\n',
    "genretune": """\
echo "genretune $* (${#RAY_AUTH_TOKEN})" >> $TRACE
echo "$RAY_AUTH_TOKEN" > $TRACE.token
mkdir -p $RUN
[ -e $RUN/sweep.json ] || echo {} > $RUN/sweep.json
finish() { echo '{"generation": 1, "pid": null}' > $RUN/driver.json; exit $1; }
trap 'echo "got USR1" >> $TRACE; finish 75' USR1
trap 'echo "got TERM" >> $TRACE; finish 75' TERM
echo "{\\"generation\\": 1, \\"pid\\": $$, \\"host\\": \\"$(uname -n)\\"}" > $RUN/driver.json
sleep 0.2 # a signal to a process between fork and exec may be lost
n=0
while [ $n -lt ${LONG:-0} ]; do sleep 0.05; n=$((n + 1)); done
finish ${CODE:-0}
""",
}


class Fakes:
    """A folder with the fake commands, and a trace of their calls."""

    def __init__(self, folder: Path) -> None:
        self.run = folder / "run"
        self.trace = folder / "trace"
        programs = folder / "bin"
        programs.mkdir()
        for name, body in FAKES.items():
            (programs / name).write_text(f"#!/bin/sh\n{body}")
            (programs / name).chmod(0o755)
        self.environment = {
            "PATH": f"{programs}:/usr/bin:/bin",
            "TRACE": str(self.trace),
            "RUN": str(self.run),
            "SLURM_JOB_ID": "123",
            "LISTED": "",
            "SLURM_JOB_NODELIST": "node[1-2]",
            "SLURM_JOB_NUM_NODES": "2",
            "SLURM_CPUS_ON_NODE": "16",
            "SLURM_CPUS_PER_TASK": "8",
            "SLURM_GPUS_ON_NODE": "4",
            "GENRETUNE_POLL": "0.05",
        }

    def start(self, script: str, *arguments: str | Path, **more: str) -> subprocess.Popen[bytes]:
        command = ["sh", str(FOLDER / script), *map(str, arguments)]
        where = {"SCRIPT": str(FOLDER / script)}
        return subprocess.Popen(command, env=self.environment | where | more)

    def driving(self, script: str, *arguments: str | Path, **more: str) -> subprocess.Popen[bytes]:
        """Start a job and return it once its driver runs."""
        job = self.start(script, *arguments, LONG="200", **more)
        self.until("genretune search")
        while not (self.run / "driver.json").exists():
            time.sleep(0.02)
        return job

    @property
    def job_file(self) -> Path:
        """The file with the id of the job that drives the run."""
        return self.run.with_name("run.job")

    def completed(self, script: str, *arguments: str, **more: str) -> Completed:
        """Run a job to its end and return it with its output."""
        environment = self.environment | {"SCRIPT": str(FOLDER / script)} | more
        return subprocess.run(
            ["sh", str(FOLDER / script), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )

    def refused(self, *arguments: str | Path, **more: str) -> str:
        """Run a job that must be refused before it starts anything; return its message."""
        done = self.completed(*map(str, arguments), **more)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done
        trace = self.trace.read_text() if self.trace.exists() else ""
        assert "genretune" not in trace and "ray start" not in trace
        return done.stderr

    def until(self, text: str) -> None:
        for _ in range(400):
            if self.trace.exists() and text in self.trace.read_text():
                return
            time.sleep(0.02)
        raise AssertionError(self.trace.read_text())


JOBS = {
    "slurm.sh": ("space.yaml", "/data"),
    "slurm_preemptible.sh": ("1", "spot", "space.yaml", "/data"),
}
both = pytest.mark.parametrize("script", JOBS)
