"""`worker`: be the coordinator of this store."""

from __future__ import annotations

import argparse
from typing import Any

from ssrl_core.cli.output import leaf


def register(commands: Any) -> None:
    """Add the command."""
    worker = leaf(
        commands,
        "worker",
        run=_worker,
        show=lambda data: "ended",
        help="start queued runs and watch them until idle for long",
        description="Be the one coordinator of this store: start queued runs, watch them, write down how they end.",
    )
    worker.add_argument("--engine", default="local", help="where runs are trained: local (default)")
    worker.add_argument("--slots", type=int, default=1, help="runs at the same time (default 1)")
    worker.add_argument("--once", action="store_true", help="end as soon as nothing is queued or running")


def _worker(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.runs import coordinator

    coordinator.main(args.engine, slots=args.slots, once=args.once, echo=True)
    return {"ended": True}
