"""What the CNN learns on the synthetic corpus, in each precision, side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from genretune.data.synth import write_corpus
from genretune.scripts.benchmarks.train_workers import Worker

CLIPS, SECONDS = 20, 12.0


def accuracy(folder: Path, precisions: Sequence[str]) -> dict[str, Any]:
    """Train on four folds of five and score the fifth; a process for each precision."""
    corpus = folder / "corpus"
    write_corpus(corpus, clips=CLIPS, seconds=SECONDS, seed=2)
    workers = {precision: Worker("learn", precision, corpus, 0) for precision in precisions}
    for worker in workers.values():
        worker.begin()
    learned = {precision: worker.answer() for precision, worker in workers.items()}
    for worker in workers.values():
        worker.end()
    return {"name": "train accuracy", "clips": 10 * CLIPS, "ours": learned}


def print_accuracy(facts: Mapping[str, Any]) -> None:
    rows = [
        [p, f"{one['clip_accuracy']:.1%}", f"{one['acc']:.1%}", f"{one['seconds']:.0f}"]
        for p, one in facts["ours"].items()
    ]
    print(f"synthetic corpus of {facts['clips']} clips, one fold of five held out")
    headers = ["precision", "clip accuracy", "window accuracy", "seconds"]
    print(tabulate(rows, headers=headers, disable_numparse=True))
