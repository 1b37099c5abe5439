"""`data subset`: some compounds of a screen and as many untreated cells, as an image set of its own."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

from ssrl_core.cli.output import leaf, say
from ssrl_core.errors import SpecError


def register_subset(data: Any) -> None:
    """Add `data subset` to the actions of `data`."""
    from ssrl_core.datasets.subsets import PRESETS

    subset = leaf(
        data,
        "subset",
        run=_subset,
        show=_show,
        help="some compounds and doses, and as many untreated cells of the same plates",
        description="Presets of the paper: " + " ".join(f"{name}: {row.sentence}" for name, row in PRESETS.items()),
    )
    subset.add_argument("source", metavar="N", help="the image set they are taken from")
    subset.add_argument("--name", required=True, metavar="NEW", help="the new image set's name")
    subset.add_argument("--title", help="the name for people")
    subset.add_argument("--preset", metavar="P", help=", ".join(PRESETS))
    subset.add_argument("--compound", action="append", default=[], metavar="C", help="repeatable")
    subset.add_argument("--highest", type=int, metavar="K", help="only the K highest doses of each compound")
    subset.add_argument("--dose", type=float, action="append", metavar="D", help="only this dose; repeatable")
    subset.add_argument("--cells", type=int, metavar="N", help="cells of each compound, and untreated (default: all)")
    subset.add_argument("--group", metavar="COLUMN", help="no value of it will be in two splits (well, plate)")
    subset.add_argument("--seed", type=int, help="decides which cells, and the split (default: 5)")


def _subset(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.datasets import store
    from ssrl_core.datasets.subsets import make_subset

    made = make_subset(store.load(args.source), args.name, _choice(args), title=args.title, report=_say)
    notes = str(made.meta["source"]).split("; ")[1:]
    compounds = {name: int(count) for name, count in made.table["compound"].value_counts().items()}
    return {**store.describe(args.name), "compounds": compounds, "notes": notes}


def _choice(args: argparse.Namespace) -> Any:
    from ssrl_core.datasets.subsets import PRESETS, SubsetChoice

    if args.preset is not None and args.preset not in PRESETS:
        raise SpecError(where="data subset", field="--preset", rule=f"one of {', '.join(PRESETS)}", value=args.preset)
    if args.preset is None and not args.compound:
        raise SpecError(where="data subset", field="--compound", rule="given, or a preset", value=None)
    if args.cells is not None and args.cells < 1:
        raise SpecError(where="data subset", field="--cells", rule="a whole number from 1 on", value=args.cells)
    start = PRESETS[args.preset].choice if args.preset else SubsetChoice(())
    asked = {
        "compounds": tuple(args.compound) or None,
        "highest": args.highest,
        "doses": tuple(args.dose) if args.dose else None,
        "cells": args.cells,
        "group": args.group,
        "seed": args.seed,
    }
    return replace(start, **{key: value for key, value in asked.items() if value is not None})


def _say(done: int, total: int, what: str) -> None:
    if done == 0:
        say(what)


def _show(data: dict[str, Any]) -> str:
    lines = [f"{data['name']}: {data['count']:,} cells"]
    lines += [f"  {compound}: {count:,}" for compound, count in data["compounds"].items()]
    lines.append("  " + ", ".join(f"{split} {count:,}" for split, count in data["splits"].items()))
    return "\n".join([*lines, *(f"  {note}" for note in data["notes"])])
