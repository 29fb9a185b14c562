"""``genretune doctor``: check every node of a cluster, with a remedy for each problem."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from genretune.scripts.sweep_options import Address, StorageUri
from genretune.scripts.terminal import print_json, print_table


def doctor(
    address: Address = "local",
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="the corpus or a packed corpus")
    ] = None,
    out: Annotated[Path, typer.Option(help="folder for run directories")] = Path("runs"),
    storage: StorageUri = None,
    as_json: Annotated[bool, typer.Option("--json", help="print facts as JSON")] = False,
) -> int:
    """Check versions, data, run directory, disk, memory, GPUs, clock and ports of every node.

    Example: genretune doctor --address auto --data DIR --out /shared/runs
    """
    from genretune.tune.dispatch.cluster import cluster
    from genretune.tune.dispatch.doctor import check_nodes
    from genretune.tune.storage.object_store import check_uri

    if storage is not None:
        check_uri(storage)
    targets = {
        "data": None if data is None else str(data.absolute()),
        # of a sweep in S3 only the driver uses the run directory
        "out": str(out.absolute()) if storage is None else None,
        "storage": storage,
    }
    with cluster(address, level="strict", gpus=True):
        findings = check_nodes(targets)
    if as_json:
        print_json([asdict(finding) | {"ok": finding.ok} for finding in findings])
    else:
        rows = [
            [one.node, one.check, "ok" if one.ok else "FAILED", one.found, one.remedy]
            for one in findings
        ]
        print_table(rows, ["node", "check", "", "found", "remedy"])
    return 0 if all(finding.ok for finding in findings) else 1
