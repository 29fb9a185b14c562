"""Workers hang by the time since their last message, measured against the length of epochs."""

from genretune.tune.dispatch.hang_detector import HangDetector
from genretune.tune.dispatch.running_segments import RunningSegment


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_hangs_by_timeout_epochs_and_earlier_hangs() -> None:
    clock, segment = Clock(), RunningSegment("a", 0)
    detector = HangDetector(10.0, clock)
    assert not detector.is_hung(segment, longest_epoch=0.0), (
        "it has just been seen for the first time"
    )
    clock.now = 299.0
    assert not detector.is_hung(segment, longest_epoch=0.0), "a worker may take minutes to start"
    clock.now = 301.0
    assert detector.is_hung(segment, longest_epoch=1.0), "but not an hour"
    detector.heard(segment)
    clock.now = 310.0
    assert not detector.is_hung(segment, longest_epoch=0.1)
    clock.now = 312.0
    assert detector.is_hung(segment, longest_epoch=0.1)
    assert not detector.is_hung(segment, longest_epoch=4.0), "20 epochs are 80 s"


def test_each_hang_of_a_trial_doubles_its_limit() -> None:
    clock, again = Clock(), RunningSegment("b", 0)
    detector = HangDetector(10.0, clock)
    detector.given_up(0)
    detector.heard(again)
    clock.now = 19.0
    assert not detector.is_hung(again, longest_epoch=0.1)
    clock.now = 21.0
    assert detector.is_hung(again, longest_epoch=0.1)
    other = RunningSegment("c", 1)
    detector.heard(other)
    clock.now = 32.0
    assert detector.is_hung(other, longest_epoch=0.1), "other trials keep their limits"
