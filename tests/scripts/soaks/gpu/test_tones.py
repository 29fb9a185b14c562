"""The corpus in memory."""

from genretune.scripts.soaks.gpu.tones import Tones


def test_the_first_clips_of_each_class_are_for_validation() -> None:
    corpus = Tones(classes=2, clips=5, length=100, validation=2)
    for name in corpus.classes:
        subsets = [corpus.members[f"{name}/{clip:05d}"] for clip in range(5)]
        assert subsets == ["validation"] * 2 + ["train"] * 3
    assert Tones(classes=2, clips=5, length=100).samples_digest == corpus.samples_digest
