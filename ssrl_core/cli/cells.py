"""`data cells`: cells of a screen's fields as an image set; `data simulate`: cells, fields or a screen, made here."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ssrl_core.cli.output import ProgressLines, leaf, names_in, several
from ssrl_core.errors import SpecError


def register_cells(data: Any) -> None:
    """Add `data cells` to the actions of `data`."""
    cells = leaf(
        data,
        "cells",
        run=_cells,
        show=_show,
        help="find the nuclei in microscope fields and cut a square around each",
        description=(
            "FIELDS is a table (CSV, TSV, Parquet) with one row a field and a column of file names for each channel, a "
            "CellProfiler LoadData table, BBBC021's image table, a folder of a microscope's files (Opera, ImageXpress, "
            "MetaMorph, InCell, Yokogawa, ScanR, Cytation …, or names that tell channels), OME-TIFF files, OME-Zarr "
            "(pip install zarr), or a zip of these. An import that was stopped goes on when it is run again."
        ),
    )
    cells.add_argument("fields", metavar="FIELDS", help="table of fields, folder, zip of a folder, or image file")
    cells.add_argument("--name", metavar="N", help="the new image set's name: lower-case letters, digits, - and _")
    cells.add_argument(
        "--dry-run", action="store_true", help="cut some fields, say what all would become, and write nothing"
    )
    cells.add_argument("--title", help="the name for people")
    cells.add_argument(
        "--pattern",
        metavar="P",
        help="how the files of a folder are named: {plate} {well} {site} {channel} {z} {t} {any}, e.g. "
        "{well}_s{site}_{channel}.tif (default: as a microscope does)",
    )
    cells.add_argument("--nuclei", metavar="CH", help="the channel that holds the nuclei (default: the first)")
    cells.add_argument(
        "--channels", metavar="A,B,C", help="which channels, in which order; one with a comma in quotes (default: all)"
    )
    cells.add_argument(
        "--where", metavar="COLUMN=V,V", action="append", default=[], help="only fields with these values; repeatable"
    )
    cells.add_argument("--label", metavar="COLUMN", help="the column that is the truth (default: compound)")
    cells.add_argument(
        "--group",
        metavar="COLUMN",
        help="no value of this column will be in two splits (default: wells, where known; none: nothing)",
    )
    cells.add_argument(
        "--seed", type=int, default=5, help="decides the split, and which cells --per-field takes (default: 5)"
    )
    cells.add_argument(
        "--max-value", type=int, help="the pixel value that stands for 1 (default: the bits that are used)"
    )
    cells.add_argument("--workers", type=int, help="threads (default: one a core, at most 8)")
    _add_settings(cells)


def _add_settings(cells: argparse.ArgumentParser) -> None:
    cells.add_argument("--size", type=int, metavar="S", help="side of the crops, px (default: about four nuclei)")
    cells.add_argument(
        "--span-um", type=float, metavar="UM", help="side of the crops in µm, brought to --size (needs the pixel size)"
    )
    cells.add_argument("--pixel-um", type=float, metavar="UM", help="size of a pixel, where the files do not say it")
    cells.add_argument("--diameter", type=float, metavar="PX", help="usual diameter of a nucleus (default: measured)")
    cells.add_argument(
        "--detector",
        default="threshold",
        help="threshold, or cellpose or stardist where they are installed (default: threshold)",
    )
    cells.add_argument(
        "--brightness",
        type=float,
        metavar="G",
        help="usual brightness of a nucleus above its background, grey values (default: measured)",
    )
    cells.add_argument(
        "--threshold", default="levels", help="levels; otsu and local, of earlier versions, are taken for it"
    )
    cells.add_argument("--sensitivity", type=float, default=1.0, help="above 1 finds dimmer nuclei (default: 1)")
    cells.add_argument(
        "--keep-border", action="store_true", help="keep cells whose crop leaves the field, with 0 outside"
    )
    cells.add_argument(
        "--focus-limit",
        default="measured",
        metavar="X|none",
        help="widest edge of a sharp nucleus, in diameters (default: twice the usual edge, at least 0.33)",
    )
    cells.add_argument(
        "--speck-limit",
        default="0.15",
        metavar="X|none",
        help="least DNA (area times brightness) by that of a usual nucleus (default: 0.15)",
    )
    cells.add_argument(
        "--contrast-limit", default="5", metavar="X|none", help="least height above the noise (default: 5)"
    )
    cells.add_argument(
        "--saturated-limit", default="0.02", metavar="X|none", help="largest share of saturated pixels (default: 0.02)"
    )
    cells.add_argument(
        "--illumination", default="plate", help="plate: divide the lamp out, for each plate and channel; none"
    )
    cells.add_argument(
        "--normalise", default="none", help="plate: stretch each plate's channels to the full range; none"
    )
    cells.add_argument("--per-field", type=int, metavar="N", help="at most so many cells of a field")


def _cells(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.datasets import cells, store

    if (args.name is None) != args.dry_run:
        raise SpecError.at("data cells", "--name", "given, or --dry-run, but not both", args.name)
    settings = cells.CellSettings.from_mapping(
        {
            "nuclei": {
                "diameter_px": args.diameter,
                "brightness": args.brightness,
                "detector": args.detector,
                "threshold": args.threshold,
                "sensitivity": args.sensitivity,
            },
            "size": args.size,
            "span_um": args.span_um,
            "pixel_um": args.pixel_um,
            "keep_border": args.keep_border,
            "focus_limit": args.focus_limit
            if args.focus_limit == cells.MEASURED
            else _number("--focus-limit", args.focus_limit),
            "speck_limit": _number("--speck-limit", args.speck_limit),
            "contrast_limit": _number("--contrast-limit", args.contrast_limit),
            "saturated_limit": _number("--saturated-limit", args.saturated_limit),
            "illumination": args.illumination,
            "normalise": args.normalise,
            "per_field": args.per_field,
            "seed": args.seed,
        }
    )
    options = cells.CellOptions(
        nuclei=args.nuclei,
        pattern=args.pattern,
        channels=names_in(args.channels, where="data cells", field="--channels") if args.channels else None,
        settings=settings,
        where=several(args.where, where="data cells"),
        label=args.label,
        group=args.group,
        seed=args.seed,
        title=args.title,
        max_value=args.max_value,
    )
    if args.dry_run:
        return _tried(args.fields, options)
    imageset = cells.import_fields(args.fields, args.name, options, workers=args.workers, report=ProgressLines())
    report = cells.report_of(imageset.folder)
    return store.describe(args.name) | {key: report[key] for key in ("fields", "nuclei", "notes")}


def _tried(source: str, options: Any) -> dict[str, Any]:
    """What an import would make of the source, from some fields of it."""
    from ssrl_core.datasets.cells import glance_cells, list_fields
    from ssrl_core.datasets.reading.archives import needed

    with needed(Path(source).expanduser(), "a-glance"):
        told = {"channels": options.channels, "nuclei": options.nuclei, "where": options.where}
        listed = list_fields(source, pattern=options.pattern, **told)
        glance = glance_cells(listed, options, report=ProgressLines())
    understood = glance.understood.as_json()
    return {"understood": understood, "warnings": understood["notes"], "cells": glance.as_json()}


def _so_many_fields(count: int) -> str:
    return "1 field" if count == 1 else f"{count:,} fields"


def _show_tried(data: dict[str, Any]) -> str:
    said, cells = data["understood"], data["cells"]
    each = cells["kept"] / max(cells["looked"], 1)
    lines = [
        f"{said['source']}: {_so_many_fields(cells['fields'])}; channels {', '.join(said['channels'])}",
        *column_lines(said),
        *decided_lines(said),
        f"of {_so_many_fields(cells['looked'])}: {cells['found']:,} nuclei, {cells['kept']:,} cells kept; about "
        f"{each * cells['fields']:,.0f} cells of {cells['settings']['size']} px in all",
        *(f"  dropped {count:,}: {reason}" for reason, count in cells["dropped"].items()),
        *dropped_lines(cells["dropped_by"]),
        *(f"  skipped {item['file']}: {item['reason']}" for item in said["skipped"]),
    ]
    return "\n".join(lines)


def _show(data: dict[str, Any]) -> str:
    if "cells" in data:
        return _show_tried(data)
    shape = "×".join(map(str, data["shape"]))
    lines = [
        f"{data['name']}: {data['count']:,} cells of {shape} ({data['dtype']}) from {_so_many_fields(data['fields'])}"
    ]
    lines.append("  " + ", ".join(f"{split} {count:,}" for split, count in data["splits"].items()))
    if data["classes"]:
        lines.append(f"  {data['label']}: {', '.join(data['classes'])}")
    lines += [f"  dropped {count:,}: {reason}" for reason, count in data["dropped"].items()]
    lines += dropped_lines(data["dropped_by"])
    lines += [f"  {note}" for note in data["notes"]]
    lines += [f"  skipped {item['file']}: {item['reason']}" for item in data["skipped"]]
    return "\n".join(lines)


def column_lines(said: Mapping[str, Any]) -> list[str]:
    """The columns that were understood, and what label and splits go by."""
    columns = ", ".join(f"{column['name']} ({column['kind']})" for column in said["columns"])
    return [
        f"columns: {columns or 'none'}",
        f"label {said['label'] or 'none'}; kept together by {said['group'] or 'nothing'}",
    ]


def decided_lines(said: Mapping[str, Any]) -> list[str]:
    """What was guessed and decided."""
    guessed = [f"guessed {item['what']}: {item['taken']}, from {item['because']}" for item in said.get("guessed", [])]
    return [*guessed, *said.get("notes", [])]


def dropped_lines(by: Mapping[str, Any]) -> list[str]:
    """Of every value what share of its nuclei was kept, and what was dropped by reason."""
    lines = []
    for row in by.get("rows", []):
        reasons = ", ".join(f"{row[r]:,} {r}" for r in row if r not in ("value", "found", "kept"))
        share = 100 * row["kept"] / max(row["found"], 1)
        lines.append(
            f"  {by['column']} {row['value'] or '-'}: kept {row['kept']:,} of {row['found']:,} nuclei, {share:.1f} %"
            + (f" (dropped {reasons})" if reasons else "")
        )
    return lines


def _number(flag: str, text: str) -> float | None:
    if text.strip().lower() == "none":
        return None
    try:
        return float(text)
    except ValueError:
        raise SpecError.at("data cells", flag, "a number or none", text) from None


def register_simulate(data: Any) -> None:
    """Add `data simulate` to the actions of `data`."""
    simulate = leaf(
        data,
        "simulate",
        run=_simulate,
        show=_show_simulated,
        help="draw cells, with the truth of each; or a screen; or whole microscope fields",
        description=(
            "The cells of simulated-cells (untreated and three compounds at eight doses), as many as you like; with "
            "--screen, a screen of plates, batches, mechanisms, inactive compounds and one that only loses cells, as "
            "simulated-screen; with --fields, whole fields as TIFF files with the table fields.csv that `data cells` "
            "takes."
        ),
    )
    simulate.add_argument("--name", metavar="N", help="the new image set's name")
    simulate.add_argument("--count", type=int, help="cells (default: 10000); of a screen its plan says how many")
    simulate.add_argument(
        "--side", type=int, metavar="PX", help="24 to 512 (default: 96, of a screen 48); a crop spans 62 µm always"
    )
    simulate.add_argument("--bits", type=int, default=8, help="8, or 9 to 16 for uint16 (default: 8)")
    simulate.add_argument("--seed", type=int, default=5, help="other cells (default: 5)")
    simulate.add_argument(
        "--only", metavar="COMPOUND", help="one compound at its four higher doses, and as many untreated cells"
    )
    simulate.add_argument("--fields", type=Path, metavar="FOLDER", help="write fields of 1280 × 1024 px there instead")
    simulate.add_argument("--field-count", type=int, default=24, metavar="K", help="how many fields (default: 24)")
    simulate.add_argument("--screen", action="store_true", help="a screen, by the plan that follows")
    for flag, kind, text in _PLAN:
        simulate.add_argument(f"--{flag}", type=kind, metavar="N", help=text)


_PLAN = (
    ("batches", int, "weeks (default: 2)"),
    ("plates", int, "plates of a week, a well of each of its treatments on every one (default: 3)"),
    ("compounds", int, "compounds of each of four mechanisms, at two doses (default: 4)"),
    ("inactive", int, "compounds that do nothing (default: 12)"),
    ("untreated", int, "untreated wells of a plate (default: 8)"),
    ("cells", int, "cells of an untreated well (default: 20)"),
    ("plate-effects", float, "how much plates and weeks differ: 0 not at all, 1 as in real screens (default: 1)"),
)


def _simulate(args: argparse.Namespace) -> dict[str, Any]:
    if (args.name is None) == (args.fields is None):
        raise SpecError.at("data simulate", "--name", "given, or --fields, but not both", args.name or None)
    if args.fields is not None:
        return _fields(args)
    from ssrl_core.datasets import store
    from ssrl_core.datasets.creation import check_free
    from ssrl_core.datasets.made.simulated_cells import SIDE, make_simulated

    planned = {
        name: value for flag, _, _ in _PLAN if (value := getattr(args, name := flag.replace("-", "_"))) is not None
    }
    if args.screen:
        return _screen(args, planned)
    if planned:
        raise SpecError.at(
            "data simulate", f"--{next(iter(planned)).replace('_', '-')}", "given with --screen", "alone"
        )
    check_free(args.name)
    make_simulated(
        args.name,
        10_000 if args.count is None else args.count,
        side=SIDE if args.side is None else args.side,
        seed=args.seed,
        bits=args.bits,
        only=args.only,
        title=args.name,
        report=ProgressLines(),
    )
    return store.describe(args.name)


def _screen(args: argparse.Namespace, planned: dict[str, Any]) -> dict[str, Any]:
    from ssrl_core.datasets import store
    from ssrl_core.datasets.made.simulated_screen import SIDE, ScreenPlan, make_screen

    for flag, given in (("--count", args.count), ("--only", args.only)):
        if given is not None:
            raise SpecError.at("data simulate", flag, "left out with --screen", given, "The plan says what it holds.")
    side = SIDE if args.side is None else args.side
    plan = ScreenPlan(**planned)
    make_screen(args.name, plan, side=side, bits=args.bits, seed=args.seed, report=ProgressLines())
    return store.describe(args.name)


def _fields(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.datasets.made.simulation.crops import write_fields

    if args.field_count < 1:
        raise SpecError.at("data simulate", "--field-count", "a whole number from 1 on", args.field_count)
    if args.fields.exists() and (not args.fields.is_dir() or any(args.fields.iterdir())):
        raise SpecError.at("data simulate", "--fields", "a new or empty folder", str(args.fields))
    table = write_fields(args.fields, args.field_count, seed=args.seed)
    return {"table": str(table), "fields": len(table.read_text(encoding="utf-8").splitlines()) - 1}


def _show_simulated(data: dict[str, Any]) -> str:
    if "table" in data:
        return f"{_so_many_fields(data['fields'])}, listed in {data['table']}"
    return f"{data['name']}: {data['count']:,} cells, {data['dtype']}, {', '.join(data['classes'])}"
