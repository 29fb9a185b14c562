"""Soak test of trials on a GPU: what is promised, checked on the GPU of this machine.

scripts/soak gpu --out soak.jsonl           # all parts, at most 8 minutes each
scripts/soak gpu --part class --part models # two of them
scripts/soak gpu --device cpu --size tiny   # without a GPU: whether the soak test itself works

Prints a line of JSON for each check: passed or failed, a measurement, or why it was skipped; the
first line names torch, the GPU and its driver. With --out, a later call does what is left. All but
those that need Ray need only torch 2.11 or newer, torchaudio, NumPy and pydantic, and no network;
docs/gpus.md tells how to bring them to a machine that has torch alone. A part that takes longer
ends with a failed check named time: call it again with the same --out.
"""

import sys
from collections.abc import Sequence

from genretune.scripts.soaks.gpu.parts import PARTS
from genretune.scripts.soaks.gpu.runner import parser, run


def main(argv: Sequence[str] | None = None) -> int:
    """Run the parts; return 1 if a check has failed, 2 without the device, else 0."""
    prog = "scripts/soak gpu"
    return run(prog, PARTS, parser(prog, __doc__).parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
