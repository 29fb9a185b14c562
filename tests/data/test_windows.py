"""Window positions of the reference protocol, and properties that hold for any sizes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genretune.data.errors import DataError
from genretune.data.specs import WindowSpec
from genretune.data.windows import (
    last_start,
    spec_starts,
    window_hop,
    window_length,
    window_starts,
)


def test_sizes_of_the_reference(reference: dict[str, Any]) -> None:
    figures, spec = reference["windows"], WindowSpec()
    sizes = (window_length(spec, 22050), window_hop(spec, 22050), last_start(spec, 22050))
    assert sizes == (figures["window"], figures["hop"], figures["max_start"])


def test_starts_and_padding_of_the_reference(reference: dict[str, Any]) -> None:
    for case, wanted in reference["windows"]["by_length"].items():
        length, clip = case.split("/")
        spec = WindowSpec(clip_seconds=None if clip == "None" else float(clip))
        starts = spec_starts(int(length), spec, 22050)
        missing = starts + 66150 - int(length)
        assert starts.tolist() == wanted["starts"], case
        assert missing[missing > 0].tolist() == wanted["missing"], case


def test_other_lengths_and_overlaps_of_the_reference(reference: dict[str, Any]) -> None:
    for case, wanted in reference["windows"]["by_slice_661500"].items():
        seconds, overlap = (float(part.split("=")[1]) for part in case.split(","))
        spec = WindowSpec(seconds=seconds, overlap=overlap)
        starts = spec_starts(661500, spec, 22050)
        got = [window_length(spec, 22050), window_hop(spec, 22050), len(starts), starts[-1]]
        assert got == [wanted[key] for key in ("extract", "hop", "n", "last")], case


SIZES = st.integers(1, 5000)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(length=SIZES, window=SIZES, hop=SIZES, most=st.none() | st.integers(0, 6000))
def test_windows_start_inside_cover_and_never_repeat(
    length: int, window: int, hop: int, most: int | None
) -> None:
    hop = min(hop, window)
    starts = window_starts(length, window=window, hop=hop, max_start=most)
    assert starts[0] == 0
    assert (np.diff(starts) == hop).all()
    assert starts[-1] < length
    assert most is None or starts[-1] <= most
    end = starts[-1] + window
    assert end >= length or (most is not None and starts[-1] + hop > most)
    assert len(starts) == 1 or end - hop < length


def test_an_empty_clip_has_no_window() -> None:
    assert len(window_starts(0, window=3, hop=1, max_start=None)) == 0


def test_a_limit_below_one_window_keeps_the_first() -> None:
    assert spec_starts(100_000, WindowSpec(seconds=3.0, clip_seconds=1.0), 22050).tolist() == [0]


def test_an_overlap_that_leaves_no_hop_is_refused() -> None:
    with pytest.raises(DataError, match="data.window.overlap"):
        window_hop(WindowSpec(seconds=0.001, overlap=0.99), 100)
