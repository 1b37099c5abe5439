"""`paper list | run | compare`: every table and figure of the paper: run it, and see ours beside the published "
"numbers."""

from __future__ import annotations

import argparse
from typing import Any

from ssrl_core.cli.output import leaf, say, table


def register(commands: Any) -> None:
    """Add `paper list | run T | compare T`."""
    paper = commands.add_parser(
        "paper", help="the paper's tables and figures: run them, compare with what was published"
    )
    paper = paper.add_subparsers(required=True, metavar="ACTION")
    leaf(paper, "list", run=_list, show=_show_list, help="every item, its cost on this machine, how far it is")
    run = leaf(paper, "run", run=_run, show=_show_run, help="queue what an item needs; what is there is not run again")
    run.add_argument("item", metavar="T", help="table-1 … table-8, figure-1 … figure-12")
    run.add_argument("--scale", default="small", help="small: a rehearsal for a CPU (default); full: exactly the paper")
    run.add_argument("--no-start", action="store_true", help="queue without starting a worker")
    run.add_argument("--measures-only", action="store_true", help="only what needs no training")
    compare = leaf(
        paper, "compare", run=_compare, show=_show_compare, help="published beside ours, and a verdict for each claim"
    )
    compare.add_argument("item", metavar="T", help="table-1 … table-8, figure-1 … figure-12")
    compare.add_argument("--scale", default="small", help="small (default) or full")
    compare.add_argument("--out", metavar="FOLDER", help="also write it there, with specs, seeds and budget")


def _list(args: argparse.Namespace) -> list[dict[str, Any]]:
    from ssrl_core.paper.running import listing

    return listing()


def _show_list(rows: list[dict[str, Any]]) -> str:
    small = [row | {"small": (row["scales"].get("small") or {}).get("state", "–")} for row in rows]
    note = "gpu_hours: of the full experiment; without a card here, guessed from the CPU's step time."
    return table(small, ["id", "title", "runs", "gpu_hours", "state", "small"]) + "\n" + note


def _run(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.paper import running

    if args.measures_only:
        return running.measure(args.item, args.scale, report=say)
    return running.run(args.item, args.scale, start=not args.no_start, report=say)


def _show_run(data: dict[str, Any]) -> str:
    lines = [
        f"{sweep['id']}: {len(sweep['runs'])} runs, {sweep['created']} new, {sweep['existing']} were there already"
        for sweep in data["sweeps"]
    ]
    lines += [f"measured: {name}" for name in data["measures"]]
    return "\n".join(lines) or "nothing to run"


def _compare(args: argparse.Namespace) -> dict[str, Any]:
    from pathlib import Path

    from ssrl_core.paper import report, running

    found = running.compare(args.item, args.scale)
    if args.out:
        found["files"] = report.write(args.item, args.scale, Path(args.out))
    return found


def _show_compare(data: dict[str, Any]) -> str:
    parts = [f"{data['id']} ({data['scale']}): {data['title']}", data["claim"], f"verdict: {data['verdict']}"]
    parts += [_claim(c) for c in data["contrasts"]]
    parts.append(table(data["rows"], ["row", "column", "published", "ours", "sd", "n"]))
    parts += [text for text in (data["says"], data["note"], data["conflicts"]) if text]
    parts += [f"missing: {row['title']}. {row['problem']} {row['how']}" for row in data["missing"]]
    return "\n\n".join(parts)


def _claim(c: dict[str, Any]) -> str:
    if c["difference"] is None:
        told = c["reason"]
    else:
        span = (
            "" if c["low"] is None else f" (95 %: {c['low']:+.3g} to {c['high']:+.3g}), n = {c['n'][0]} and {c['n'][1]}"
        )
        told = f"{c['difference']:+.3g} {c['unit']}{span} {c['reason']}".strip()
    return f"- {c['claim']}: {c['verdict']}. {told}"
