"""Soak test: the launch files of ``scripts/cluster/`` on a real Slurm.

scripts/soak slurm                       # all scenarios, with the cluster's default partition
scripts/soak slurm cancel time-limit     # some; the undisturbed sweep always comes first
scripts/soak slurm --work /shared/soak --sbatch="--account=me --partition=short" \
    --head=--partition=stable --workers spot --preempting urgent

Each scenario submits real jobs with a tiny space and a synthetic corpus, disturbs them, and
compares the leaderboard with that of an undisturbed sweep. Needs two nodes that the jobs may use,
and three for the scenarios with preemptible workers. --work must lie on storage that all nodes
share; this Python and this copy of the package must be there, too, unless GENRETUNE_ACTIVATE says
otherwise. A time limit counts in minutes, and Slurm signals it up to a minute early, so that the
undisturbed sweep should take a minute and a half at least (--epochs), or a start gets nowhere. A
requeued job starts two minutes later. It all takes half an hour.
"""

import argparse
import json
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from genretune.scripts.soaks.slurm_jobs import Slurm, Unexpected
from genretune.scripts.soaks.slurm_scenarios import PREEMPTIBLE, SCENARIOS, Soak

SPACE = """\
version: 1
name: soak
seed: 1000
trials: 16
metric: {name: val_loss, mode: min}
sampler: {type: tpe, lag: 4, n_startup: 4}
early_terminate: {type: asha, grace_period: 10, reduction_factor: 2}
data: {split: {name: stratified, folds: 3, fold: 1}, window: {seconds: 0.5}}
trial:
  epochs: 6
  batch_size: 16
  model: {name: cnn, filters: [8, 16, 16], dropout: 0.25, pool: gap}
  feature: {name: melspec, n_mels: 16, n_fft: 512}
parameters:
  optimizer.lr: {distribution: loguniform, min: 1.0e-3, max: 3.0e-2}
  optimizer.weight_decay: {distribution: loguniform, min: 1.0e-6, max: 1.0e-2, zero: 0.2}
  model.reduction: {values: [null, 2]}
"""


@dataclass(frozen=True)
class Outcome:
    """What a scenario came to.

    Attributes:
        facts: job states and counts, for people.
        differences: from the undisturbed sweep, or from what the jobs should have done.
    """

    scenario: str
    seconds: float
    facts: str
    differences: list[str]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the scenarios; return 1 if one of them differs, 2 without Slurm, else 0."""
    options = _parser().parse_args(argv)
    work = options.work.absolute()
    if shutil.which("sbatch") is None:
        return _refuse("sbatch: must be on PATH, got none (run it where jobs are submitted)")
    if work.exists():
        return _refuse(f"--work: must be a new folder, got {work}")
    chosen = options.scenarios or list(SCENARIOS)
    if unknown := set(chosen) - set(SCENARIOS):
        return _refuse(f"must be one of {', '.join(SCENARIOS)}, got {', '.join(sorted(unknown))}")
    if options.workers is None and set(chosen) & PREEMPTIBLE:
        return _refuse(f"--workers: must be given for {', '.join(sorted(PREEMPTIBLE))}, got none")
    _prepare(work)
    soak = Soak(Slurm(work, tuple(shlex.split(options.sbatch)), options.timeout), options)
    chosen = [name for name in chosen if name != "undisturbed"]
    outcomes: list[Outcome] = []
    try:
        for name in ["undisturbed", *chosen]:
            outcomes.append(_outcome(name, soak))
            if not options.json:
                _print(outcomes[-1])
            if not soak.leaderboard:
                break  # nothing to compare with
    finally:
        soak.slurm.cancel_all()
    wrong = sum(len(outcome.differences) for outcome in outcomes)
    if options.json:
        print(json.dumps([asdict(outcome) for outcome in outcomes], indent=1))
    else:
        print(f"{len(outcomes)} scenarios, {wrong} differences")
    return 1 if wrong else 0


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("scripts/soak slurm", description=__doc__, formatter_class=raw)
    add = parser.add_argument
    add("scenarios", nargs="*", metavar="NAME", help=", ".join(SCENARIOS))
    add("--work", type=Path, default=Path("slurm-soak"), help="new folder on shared storage")
    add("--sbatch", default="", metavar="OPTIONS", help="options for every sbatch")
    add("--head", default="", metavar="OPTIONS", help="further options for a head's sbatch")
    add("--workers", default=None, metavar="PARTITION", help="partition of the preemptible workers")
    add("--preempting", metavar="PARTITION", help="partition that preempts it; default: requeue")
    add("--cpus", type=int, default=1, help="CPUs on each node of a job")
    add("--epochs", type=int, default=400, help="epochs of a trial")
    add("--limit", type=int, default=3, metavar="MINUTES", help="time limit of that scenario")
    add("--lead", type=int, metavar="SECONDS", help="signal before it; default: late in the sweep")
    add("--timeout", type=float, default=1800.0, help="most seconds to wait for anything")
    add("--json", action="store_true", help="print facts as JSON")
    return parser


def _refuse(message: str) -> int:
    print(f"scripts/soak slurm: {message}", file=sys.stderr)
    return 2


def _prepare(work: Path) -> None:
    from genretune.data.synthetic.synth import write_corpus

    (work / "home").mkdir(parents=True)
    write_corpus(work / "corpus", clips=6, seconds=1.5, seed=5)
    (work / "space.yaml").write_text(SPACE)


def _outcome(name: str, soak: Soak) -> Outcome:
    began = time.monotonic()
    try:
        facts, found = SCENARIOS[name](soak)
    except Unexpected as error:
        facts, found = "not as expected", [str(error)]
    return Outcome(name, round(time.monotonic() - began, 1), facts, found)


def _print(outcome: Outcome) -> None:
    counted = f"{len(outcome.differences)} differences"
    print(f"{outcome.scenario}: {outcome.facts}; {counted}; {outcome.seconds:.0f} s", flush=True)
    for line in outcome.differences:
        print(f"  {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
