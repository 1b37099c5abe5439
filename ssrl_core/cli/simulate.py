"""`data simulate`: more simulated cells, of another size, or as whole fields that `data cells` takes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ssrl_core.cli.output import ProgressLines, leaf
from ssrl_core.errors import SpecError


def register_simulate(data: Any) -> None:
    """Add `data simulate` to the actions of `data`."""
    simulate = leaf(
        data,
        "simulate",
        run=_simulate,
        show=_show,
        help="draw cells, with the truth of each; or whole microscope fields",
        description=(
            "The cells of simulated-cells (untreated and three compounds at eight doses), as many as you like; with "
            "--fields, whole fields as TIFF files with the table fields.csv that `data cells` takes."
        ),
    )
    simulate.add_argument("--name", metavar="N", help="the new image set's name")
    simulate.add_argument("--count", type=int, default=10_000, help="cells (default: 10000)")
    simulate.add_argument("--side", type=int, default=96, metavar="PX", help="24 to 512; a crop spans 62 µm always")
    simulate.add_argument("--bits", type=int, default=8, help="8, or 9 to 16 for uint16 (default: 8)")
    simulate.add_argument("--seed", type=int, default=5, help="other cells (default: 5)")
    simulate.add_argument(
        "--only", metavar="COMPOUND", help="one compound at its four higher doses, and as many untreated cells"
    )
    simulate.add_argument("--fields", type=Path, metavar="FOLDER", help="write fields of 1280 × 1024 px there instead")
    simulate.add_argument("--field-count", type=int, default=24, metavar="K", help="how many fields (default: 24)")


def _simulate(args: argparse.Namespace) -> dict[str, Any]:
    if (args.name is None) == (args.fields is None):
        raise SpecError(
            where="data simulate", field="--name", rule="given, or --fields, but not both", value=args.name or None
        )
    if args.fields is not None:
        return _fields(args)
    from ssrl_core.datasets import store
    from ssrl_core.datasets.creation import check_free
    from ssrl_core.datasets.made.simulated_cells import make_simulated

    check_free(args.name)
    make_simulated(
        args.name,
        args.count,
        side=args.side,
        seed=args.seed,
        bits=args.bits,
        only=args.only,
        title=args.name,
        report=ProgressLines(),
    )
    return store.describe(args.name)


def _fields(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.datasets.made.simulation.fields import write_fields

    if args.field_count < 1:
        raise SpecError(
            where="data simulate", field="--field-count", rule="a whole number from 1 on", value=args.field_count
        )
    if args.fields.exists() and (not args.fields.is_dir() or any(args.fields.iterdir())):
        raise SpecError(where="data simulate", field="--fields", rule="a new or empty folder", value=str(args.fields))
    table = write_fields(args.fields, args.field_count, seed=args.seed)
    return {"table": str(table), "fields": sum(1 for _ in open(table, encoding="utf-8")) - 1}


def _show(data: dict[str, Any]) -> str:
    if "table" in data:
        return f"{data['fields']:,} fields, listed in {data['table']}"
    return f"{data['name']}: {data['count']:,} cells, {data['dtype']}, {', '.join(data['classes'])}"
