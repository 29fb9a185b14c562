"""Configuration literals shared by several packages of ``tune``.

Imports nothing of ours and no torch, so that every package can import it.
"""

from typing import Literal

Level = Literal["strict", "portable", "off"]
"""Determinism level: exact within a machine class, equal across x86-64 CPUs, or no promise."""

Device = Literal["cpu", "cuda"]

Precision = Literal["fp32", "tf32", "bf16"]
"""Arithmetic of the network's passes; weights and optimizer state are always float32."""
