"""Silence is measured against how long epochs take."""

from genretune.tune.dispatch.hang_detector import HangDetector


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_silence_by_heartbeat_epochs_and_earlier_silences() -> None:
    clock = Clock()
    watch = HangDetector(10.0, clock)
    assert watch.silent_for(0, "a", longest_epoch=0.0) is None, "seen for the first time"
    clock.now = 59.0
    assert watch.silent_for(0, "a", longest_epoch=0.0) is None, "it may take long to start"
    clock.now = 61.0
    assert watch.silent_for(0, "a", longest_epoch=1.0) == 61.0
    watch.heard("a")
    clock.now = 70.0
    assert watch.silent_for(0, "a", longest_epoch=0.1) is None
    clock.now = 72.0
    assert watch.silent_for(0, "a", longest_epoch=0.1) == 11.0
    assert watch.silent_for(0, "a", longest_epoch=4.0) is None, "20 epochs are 80 s"
    watch.gave_up(0, "a")
    watch.heard("b")
    clock.now += 19.0
    assert watch.silent_for(0, "b", longest_epoch=0.1) is None, "doubled for this trial"
    clock.now += 2.0
    assert watch.silent_for(0, "b", longest_epoch=0.1) == 21.0
    watch.heard("b")
    assert watch.silent_for(0, "b", longest_epoch=0.1) is None
