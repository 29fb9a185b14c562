"""What commands share in talking to people: errors, JSON, tables."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from tabulate import tabulate


def complain(*lines: str) -> None:
    """Write errors, a line each, to standard error."""
    for line in lines:
        print(f"genretune: {plain(line)}", file=sys.stderr)


def print_json(value: Any) -> None:
    """Facts for scripts: JSON on standard output, floats round-trip."""
    print(json.dumps(value, indent=1, allow_nan=False))


def print_table(rows: Sequence[Sequence[Any]], headers: Sequence[str]) -> None:
    """A plain table that a pipe keeps readable."""
    print(plain(tabulate(rows, headers=headers, disable_numparse=True)))


def plain(text: str) -> str:
    """Text for a terminal, which must obey nothing that stands in somebody's file."""
    return "".join(one if one.isprintable() or one in "\n\t" else repr(one)[1:-1] for one in text)
