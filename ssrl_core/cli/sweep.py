"""`sweep SWEEP.yaml`: queue all runs of a sweep."""

from __future__ import annotations

import argparse
from typing import Any

from ssrl_core.cli.output import leaf, say
from ssrl_core.cli.train import add_queue_options, say_if_nobody_works


def register(commands: Any) -> None:
    """Add the command."""
    sweep = leaf(
        commands,
        "sweep",
        run=_sweep,
        show=_show,
        help="queue all runs of a sweep",
        description="Queue a run for every value and seed; runs that are there already are not made again.",
    )
    sweep.add_argument("spec", metavar="SWEEP.yaml", help="a run spec with seeds and vary")
    add_queue_options(sweep)


def _sweep(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.runs.queue import sweeps
    from ssrl_core.specs.sweep import load_sweep

    asked = sweeps.submit(load_sweep(args.spec), priority=args.priority, start=not args.no_start)
    if args.wait:
        say(f"sweep {asked['id']}: {len(asked['runs'])} runs")
        say_if_nobody_works()
        _wait(asked["runs"])
    return asked


def _wait(run_ids: list[str]) -> None:
    """Wait for all runs.

    Raises:
        RunError: some of them failed (all are waited for first).
        Stopped: some were stopped.
    """
    from ssrl_core.errors import RunError, Stopped
    from ssrl_core.runs.queue import submitting

    ends: dict[str, list[str]] = {"done": [], "failed": [], "stopped": []}
    for number, run_id in enumerate(run_ids, 1):
        ends[submitting.wait(run_id)].append(run_id)
        say(f"{number}/{len(run_ids)}  {run_id}  {submitting.progress_line(_state(run_id))}")
    if ends["failed"]:
        raise RunError(
            f"{len(ends['failed'])} of {len(run_ids)} runs failed: {', '.join(ends['failed'][:5])}. See `runs show`."
        )
    if ends["stopped"]:
        raise Stopped(f"{len(ends['stopped'])} of {len(run_ids)} runs were stopped: {', '.join(ends['stopped'][:5])}.")


def _state(run_id: str) -> dict[str, Any]:
    from ssrl_core.runs.folder.run_folder import RunFolder
    from ssrl_core.runs.queue import registry

    row = registry.require(run_id)
    return RunFolder(run_id).state() | {"state": row["state"], "reason": row["reason"]}


def _show(data: dict[str, Any]) -> str:
    return f"{data['id']}: {len(data['runs'])} runs, {data['created']} new, {data['existing']} were there already"
