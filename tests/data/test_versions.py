"""Versions of the decoders."""

import soundfile
import soxr

from genretune.data.versions import decoder_versions


def test_both_libraries_are_named_with_their_versions() -> None:
    line = decoder_versions()
    assert f"libsndfile {soundfile.__libsndfile_version__}" in line
    assert f"soxr {soxr.__version__}" in line and "\n" not in line
