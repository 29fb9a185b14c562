"""Versions of what turns files into samples."""

import soundfile
import soxr


def decoders() -> str:
    """One line for records and messages: libsndfile and soxr."""
    return f"libsndfile {soundfile.__libsndfile_version__}, soxr {soxr.__version__}"
