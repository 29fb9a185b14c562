"""The journal: appended events are on disk, and a torn last line is dropped."""

import errno
import os
from pathlib import Path

import pytest

from genretune.tune.errors import RunFailure
from genretune.tune.run.journal import Journal, read_journal
from genretune.tune.sweep.events import (
    Compared,
    Created,
    Driver,
    Ended,
    Event,
    Exhausted,
    Extended,
    GiveUp,
    Lost,
    Report,
    Stop,
    Verdict,
)

write = os.write

EVENTS: list[Event] = [
    Driver(1, "here", 7, {"torch": "2.14.1"}),
    Created(0, {"optimizer.lr": 0.1 + 0.2, "model.reduction": None, "m": [4, None]}, 2**62 + 1),
    Report(0, 1, 1e-17, "ab" * 32),
    Report(0, 2, None, "cd" * 32),
    Verdict(0, 1, "stop", Compared(0.1, 2, 2, 1, 0, None)),
    Ended(0, "diverged", 2, "val_loss is nan"),
    Lost(0, "worker died", 1, 2),
    GiveUp(0, 2, "no disk"),
    Stop(0, 2),
    Stop(None, 0),
    Extended(30),
    Exhausted(6),
]


def test_events_survive_to_the_last_bit(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append(EVENTS[:5])
        journal.append([])
        journal.append(EVENTS[5:])
    assert read_journal(path) == EVENTS
    assert path.read_text().splitlines()[2] == (
        '{"event":"report","trial":0,"epoch":1,"value":1e-17,"weights_sha256":"' + "ab" * 32 + '"}'
    )


def test_a_torn_last_line_is_dropped_wherever_it_is_torn(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append(EVENTS)
    whole = path.read_bytes()
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    for cut in range(last, len(whole)):
        path.write_bytes(whole[:cut])
        assert read_journal(path) == EVENTS[:-1]
        with Journal(path) as journal:
            assert journal.events == EVENTS[:-1]
            journal.append([Exhausted(9)])
        assert read_journal(path) == [*EVENTS[:-1], Exhausted(9)]


@pytest.mark.parametrize("damage", [b"{", b"", b'{"event":"report","trial":0}', b"\x00\xff"])
def test_a_damaged_line_elsewhere_is_reported_by_number(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append(EVENTS)
    lines = path.read_bytes().split(b"\n")
    lines[2] = damage
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(RunFailure, match=r"journal\.jsonl:3: must be an event"):
        read_journal(path)
    with pytest.raises(RunFailure, match=r"journal\.jsonl:3: must be an event"):
        Journal(path)


def test_two_writers_never_overwrite_each_other(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as old, Journal(path) as new:
        new.append(EVENTS[:2])
        with pytest.raises(RunFailure, match="must be written by one driver only"):
            old.append(EVENTS[2:3])
    assert read_journal(path) == EVENTS[:2]


def fail(*arguments: object) -> None:
    raise OSError(errno.EIO, "Input/output error")


def test_a_partial_write_that_cannot_be_cut_off_is_cut_off_by_the_retry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append(EVENTS[:2])
        with monkeypatch.context() as patch:  # the file system goes away in the middle of a line
            patch.setattr(os, "write", lambda file, data: write(file, bytes(data)[:7]) and fail())
            patch.setattr(os, "ftruncate", fail)
            with pytest.raises(OSError, match="Input/output error"):
                journal.append(EVENTS[2:4])
            with pytest.raises(OSError, match="Input/output error"):
                journal.append(EVENTS[2:4])
        journal.append(EVENTS[2:4])
    assert read_journal(path) == EVENTS[:4]


def test_a_retry_never_cuts_off_what_another_driver_has_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as old:
        old.append(EVENTS[:2])
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda file, data: write(file, bytes(data)[:7]) and fail())
            patch.setattr(os, "ftruncate", fail)
            with pytest.raises(OSError, match="Input/output error"):
                old.append(EVENTS[2:4])
        with Journal(path) as new:
            new.append(EVENTS[4:6])
        with pytest.raises(RunFailure, match="another driver has taken over"):
            old.append(EVENTS[2:4])
    assert read_journal(path) == [*EVENTS[:2], *EVENTS[4:6]]
