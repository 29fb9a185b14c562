"""What commands share in talking to people: errors, JSON, tables."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from tabulate import tabulate


def complain(*lines: str) -> None:
    """Write errors, a line each, to standard error."""
    for line in lines:
        print(f"genretune: {line}", file=sys.stderr)


def print_json(value: Any) -> None:
    """Facts for scripts: JSON on standard output, floats round-trip."""
    print(json.dumps(value, indent=1, allow_nan=False))


def print_table(rows: Sequence[Sequence[Any]], headers: Sequence[str]) -> None:
    """A plain table that a pipe keeps readable."""
    print(tabulate(rows, headers=headers, disable_numparse=True))
