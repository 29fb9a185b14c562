"""Accuracy of the CNN on the synthetic corpus, in each precision."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from genretune.data.synthetic.synth import write_corpus
from genretune.scripts.benchmarks.train_workers import Worker

CLIPS, SECONDS = 20, 12.0


def accuracy(folder: Path, precisions: Sequence[str]) -> dict[str, Any]:
    """Train on four of five folds and score the fifth, in one process per precision."""
    corpus = folder / "corpus"
    write_corpus(corpus, clips=CLIPS, seconds=SECONDS, seed=2)
    workers = {precision: Worker("learn", precision, corpus, 0) for precision in precisions}
    for worker in workers.values():
        worker.start_measurement()
    learned = {precision: worker.result() for precision, worker in workers.items()}
    for worker in workers.values():
        worker.end()
    return {"name": "train accuracy", "clips": 10 * CLIPS, "ours": learned}


def print_accuracy(facts: Mapping[str, Any]) -> None:
    """Print the result of ``accuracy`` as a table."""
    rows = [
        [p, f"{one['clip_accuracy']:.1%}", f"{one['acc']:.1%}", f"{one['seconds']:.0f}"]
        for p, one in facts["ours"].items()
    ]
    print(f"synthetic corpus of {facts['clips']} clips, one fold of five held out")
    headers = ["precision", "clip accuracy", "window accuracy", "seconds"]
    print(tabulate(rows, headers=headers, disable_numparse=True))
