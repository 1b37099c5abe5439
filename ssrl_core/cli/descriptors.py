"""`descriptors N`: what a person sees in every image of a set (brightness, colour, place, texture …), in numbers."""

from __future__ import annotations

import argparse
from typing import Any

from ssrl_core.cli.output import Tenths, leaf


def register(commands: Any) -> None:
    """Add the command."""
    command = leaf(
        commands,
        "descriptors",
        run=_describe,
        show=_show,
        help="measure what a person sees in every image: brightness, area, elongation …",
        description="Measure every image of an image set once; the Clusters page colours by it and says what sets a "
        "cluster apart. What is there already is not made again.",
    )
    command.add_argument("name", metavar="N", help="name of the image set")
    command.add_argument("--again", action="store_true", help="measure again")


def _describe(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.datasets import store
    from ssrl_core.runs.evaluation import descriptors
    from ssrl_core.runs.jobs import Reporter

    with Reporter() as report:
        imageset = store.load(args.name)
        table = None if args.again else descriptors.read(imageset)
        if table is None:
            table = descriptors.make(imageset, Tenths("descriptors", report))
    rows = {}
    for name in table.columns:
        known = table[name].dropna()
        quantiles = [round(float(known.quantile(q)), 6) for q in (0.25, 0.5, 0.75)] if len(known) else None
        rows[name] = {"n": len(known), "quartiles": quantiles}
    return {"name": args.name, "count": len(table), "file": "descriptors.parquet", "descriptors": rows}


def _show(data: dict[str, Any]) -> str:
    from ssrl_core.analysis.descriptors import DESCRIPTORS

    lines = [f"{data['name']}: {data['count']} images described"]
    for name, row in data["descriptors"].items():
        told = "undefined" if row["quartiles"] is None else " · ".join(f"{q:.3g}" for q in row["quartiles"])
        lines.append(f"{name:>12}  {told:<28} {DESCRIPTORS[name].sentence if name in DESCRIPTORS else ''}")
    return "\n".join([*lines, "(first quarter, median, third quarter)"])
