"""Versions of the libraries that turn files into samples."""

import soundfile
import soxr


def decoder_versions() -> str:
    """Return the versions of libsndfile and soxr as one line for records and messages."""
    return f"libsndfile {soundfile.__libsndfile_version__}, soxr {soxr.__version__}"
