"""Which checkpoints of a finished trial stay: the words of ``keep:`` and ``--keep``."""

from typing import Literal

Keep = Literal["usual", "best", "all", "none"]
"""usual: best and last of a completed trial, none of others; best: the best of a completed trial;
all: whatever training left (best and the last two); none."""
