"""`export R --to FORMAT --out FILE`: a run to other people's tools."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ssrl_core.cli.output import leaf


def register(commands: Any) -> None:
    """Add the command."""
    from ssrl_core.exports import EXPORTS

    export = leaf(
        commands,
        "export",
        run=_export,
        show=_show,
        help="write a run in another format",
        description="Write a run in another format. " + " ".join(f"{n}: {r.sentence}" for n, r in EXPORTS.items()),
    )
    export.add_argument("run_id", metavar="RUN", help="id of a run, or the beginning of one that fits no other")
    export.add_argument("--to", required=True, metavar="FORMAT", help=", ".join(EXPORTS))
    export.add_argument("--out", required=True, type=Path, metavar="FILE", help="file to write")


def _export(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.exports import export
    from ssrl_core.runs.jobs import Reporter
    from ssrl_core.runs.queue.finding import find

    with Reporter():
        return export(find(args.run_id), args.to, args.out)


def _show(data: dict[str, Any]) -> str:
    head = f"{data['run']} as {data['to']}: {data['out']} ({data['bytes']:,} bytes)"
    return head if "code" not in data else f"{head}\n\n{data['code']}"
