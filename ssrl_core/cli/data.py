"""`data`: image sets listed, made, described, deleted; `descriptors N`: each image in numbers."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from ssrl_core.cli.cells import column_lines, decided_lines, dropped_lines, register_cells, register_simulate
from ssrl_core.cli.output import ProgressLines, Tenths, leaf, names_in, table, to_stderr
from ssrl_core.errors import SpecError, SSRLError

_ENDS = 8  # images shown of either end of a descriptor by example


def register(commands: Any) -> None:
    """Add `data list | import | cells | subset | simulate | join | describe | check | channels | delete`."""
    data = commands.add_parser("data", help="bring images in").add_subparsers(required=True, metavar="ACTION")
    leaf(data, "list", run=_list, show=_show_list, help="list the image sets, also the built-in ones not made yet")
    _register_import(data)
    register_cells(data)
    register_subset(data)
    register_simulate(data)
    join = leaf(
        data, "join", run=_join, show=_show_join, help="bring columns of a table to images: mechanisms, batches"
    )
    join.add_argument("name", metavar="N", help="an image set of your own")
    join.add_argument("table", type=Path, metavar="TABLE", help=".csv, .tsv or .parquet, such as compound, dose, moa")
    join.add_argument("--by", metavar="COLUMNS", help="columns to compare by, with commas (default: all both know)")
    describe = leaf(data, "describe", run=_describe, show=_show_one, help="what is known of an image set")
    describe.add_argument("name", metavar="N", help="its name; a built-in one is made or fetched")
    looked = leaf(data, "check", run=_check, show=_show_check, help="look for what is often wrong with an image set")
    looked.add_argument("name", metavar="N", help="its name; a built-in one is made or fetched")
    _register_channels(data)
    delete = leaf(data, "delete", run=_delete, show=_show_delete, help="remove an image set from the store")
    delete.add_argument("name", metavar="N", help="its name")


def _register_import(data: Any) -> None:
    from ssrl_core.datasets.reading.understanding import ALPHAS, ORIENTATIONS, PAGES

    bring = leaf(
        data,
        "import",
        run=_import,
        show=_show_import,
        help="make an image set of a folder, a zip, an .npz, a table of file names or an image",
    )
    bring.add_argument(
        "source",
        metavar="SRC",
        nargs="+",
        help="folder of class folders or of OME-Zarr, zip of one, WebDataset's .tar, .npz, CSV/TSV/Parquet, images",
    )
    bring.add_argument("--name", metavar="N", help="the new image set's name: lower-case letters, digits, - and _")
    bring.add_argument("--dry-run", action="store_true", help="say what was understood of SRC, and write nothing")
    bring.add_argument("--title", help="the name for people")
    bring.add_argument(
        "--size", type=int, metavar="PX", help="the side that images are fitted to (several sizes: else 224)"
    )
    bring.add_argument(
        "--fit", default="crop", help="crop: the short side fills; pad: the long side fits; stretch (default: crop)"
    )
    bring.add_argument("--label", metavar="COLUMN", help="the column that is the truth; none: there is none")
    bring.add_argument("--class-level", metavar="N", help="which folder of a path is the class, 1 = the highest; none")
    bring.add_argument(
        "--split", metavar="WHAT", help="the column, or the number of the folder, that says train, val or test; none"
    )
    bring.add_argument("--table", metavar="FILE", help="the table of a folder or zip that names the images; none")
    bring.add_argument("--names-in", metavar="COLUMN", help="the table's column of file names")
    bring.add_argument(
        "--channels", metavar="A,B,C", help="names of the channels, in their order; one with a comma in quotes"
    )
    bring.add_argument("--pages", help=f"what the pages of a file are: {', '.join(PAGES)} (one of them)")
    bring.add_argument(
        "--orientation", default="tagged", help=f"{' or '.join(ORIENTATIONS)}: turned as files say, or not"
    )
    bring.add_argument("--alpha", default="black", help=f"{', '.join(ALPHAS)}: what is made of it (default: black)")
    bring.add_argument(
        "--in-place",
        action="store_true",
        help="leave pixels in their files (a folder, tars) and decode as needed",
    )
    bring.add_argument("--code-page", metavar="P", help="of names in a zip that do not say it: gbk, cp866 …")
    bring.add_argument("--layout", help="which axis of an .npz is the channels: NHW, NHWC or NCHW")
    bring.add_argument(
        "--group",
        metavar="COLUMN",
        help="no value of this column will be in two splits (default: wells, where known; none: nothing)",
    )
    bring.add_argument("--seed", type=int, default=5, help="decides the split (default: 5)")
    bring.add_argument("--max-value", type=float, help="the value that stands for 1, e.g. 4095 for 12 bits in 16")
    bring.add_argument("--min-value", type=float, help="the value that stands for 0; needed for negative numbers")


def _list(args: argparse.Namespace) -> list[dict[str, Any]]:
    from ssrl_core.datasets import store

    items = []
    for name in store.names():
        try:
            items.append(store.summary(name))
        except SSRLError as error:  # a damaged set must not hide the others
            to_stderr(error.message)
    return items


def _import(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.datasets import store
    from ssrl_core.datasets.importing import import_source, understand
    from ssrl_core.datasets.reading.understanding import ImportOptions

    if (args.name is None) != args.dry_run:
        raise SpecError.at("data import", "--name", "given, or --dry-run, but not both", args.name)
    source = args.source[0] if len(args.source) == 1 else args.source
    options = ImportOptions(
        title=args.title,
        label=args.label,
        group=args.group,
        size=args.size,
        fit=args.fit,
        layout=args.layout,
        seed=args.seed,
        max_value=args.max_value,
        min_value=args.min_value,
        table=args.table,
        names_in=args.names_in,
        class_level=args.class_level,
        split=args.split,
        channels=names_in(args.channels, where="data import", field="--channels") if args.channels else None,
        pages=args.pages,
        orientation=args.orientation,
        alpha=args.alpha,
        code_page=args.code_page,
        in_place=args.in_place,
    )
    if args.dry_run:
        understood = understand(source, options, report=_print_notes)
        return {"understood": understood.as_json(), "warnings": understood.notes}
    import_source(source, args.name, options, report=_print_notes)
    return store.describe(args.name)


def _describe(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.datasets import store
    from ssrl_core.runs import jobs

    with jobs.Reporter() as told:  # a page makes a built-in set by this command
        return store.describe(args.name, report=ProgressLines(told))


def _check(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.datasets import store
    from ssrl_core.datasets.checks import check

    imageset = store.load(args.name, report=ProgressLines())
    return {"understood": imageset.meta.get("understood"), "warnings": check(imageset)}


def _show_check(item: dict[str, Any]) -> str:
    return "\n".join(item["warnings"]) or "Nothing to warn of."


def _delete(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.datasets import store

    store.delete(args.name)
    return {"name": args.name, "deleted": True}


def _print_notes(done: int, total: int, what: str) -> None:
    """Decisions are said; counting files is not."""
    if total == 0:
        to_stderr(what)


def _show_list(items: list[dict[str, Any]]) -> str:
    rows = [_row(item) for item in items]
    return table(rows, ["name", "images", "shape", "type", "classes", "train/val/test", "made"])


def _row(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": item["name"],
        "images": item["count"],
        "shape": "×".join(map(str, item["shape"])),
        "type": item["dtype"],
        "classes": len(item["classes"]),
        "train/val/test": "/".join(str(item["splits"][split]) for split in ("train", "val", "test")),
        "made": "yes" if item["fingerprint"] else "on first use",
    }


def _show_one(item: dict[str, Any]) -> str:
    shown = item["classes"][:20]
    classes = ", ".join(shown) + (f" … ({len(item['classes'])})" if len(item["classes"]) > 20 else "")
    empty = [split for split, count in item["splits"].items() if count == 0]
    lines = [
        f"{item['name']}: {item['title']}",
        f"{item['count']} images of {'×'.join(map(str, item['shape']))} (channels × height × width), {item['dtype']}",
        f"label {item['label'] or 'none'}; classes: {classes or 'none'}",
        "split: " + ", ".join(f"{count} {split}" for split, count in item["splits"].items()),
        f"fingerprint {item['fingerprint']}",
    ]
    if empty:
        lines.append(f"empty: {', '.join(empty)} (too few images, or split so when they came)")
    lines += [f"look at: {warning}" for warning in item.get("warnings", [])]
    lines += [f"  dropped {count:,}: {reason}" for reason, count in item.get("dropped", {}).items()]
    lines += dropped_lines(item.get("dropped_by", {}))
    lines += _understood(item.get("understood") or {"skipped": item["skipped"]})
    return "\n".join(lines)


def _show_import(item: dict[str, Any]) -> str:
    return _show_one(item) if "name" in item else "\n".join(_dry(item["understood"]))


def _dry(said: dict[str, Any]) -> list[str]:
    """What an import would take for what."""
    layout = {key: value for key, value in said["layout"].items() if value is not None}
    folders = [f"folders, level {level['number']}: {_named(level)}" for level in said["folders"]]
    shape = "×".join(map(str, said["shape"])) if said["shape"] else "as they are"
    return [
        f"{said['source']}: " + ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in layout.items()),
        f"images of {shape}; channels: {', '.join(said['channels'] or []) or 'by their number'}",
        *column_lines(said),
        *folders,
        *_understood(said),
        *_counted(said["counts"]),
    ]


def _named(level: dict[str, Any]) -> str:
    more = f" … ({level['count']})" if level["count"] > len(level["names"]) else ""
    return ", ".join(level["names"]) + more


def _counted(counts: dict[str, dict[str, int]]) -> list[str]:
    """A line for each class, with its images in each split."""
    splits = [split for split in ("train", "val", "test", "") if any(split in row for row in counts.values())]
    rows = [
        {"class": name or "(no label)"} | {split or "by seed": row.get(split, 0) for split in splits}
        for name, row in list(counts.items())[:_CLASSES]
    ]
    more = [f"and {len(counts) - _CLASSES} more classes"] if len(counts) > _CLASSES else []
    return [table(rows, ["class", *(split or "by seed" for split in splits)]), *more] if rows else []


def _understood(said: dict[str, Any]) -> list[str]:
    """What was guessed, decided and left out."""
    lines = decided_lines(said)
    if said["skipped"]:
        lines.append(f"skipped {len(said['skipped'])}:")
        lines += [f"  {entry['file']}: {entry['reason']}" for entry in said["skipped"][:20]]
    return lines


_CLASSES = 30  # shown of a dry run


def _show_delete(item: dict[str, Any]) -> str:
    return f"{item['name']} is deleted."


_CHANNELS = "data channels"


def _register_channels(data: Any) -> None:
    channels = leaf(
        data,
        "channels",
        run=_channels,
        show=_show_channels,
        help="show or change the names, colours and display windows of an image set's channels",
        description=(
            "Without options they are shown. Pixels stay as they are, and so does what was trained on them; a run that "
            "names its channels (dataset.channels) must name the new ones."
        ),
    )
    channels.add_argument("name", metavar="N", help="the image set's name")
    channels.add_argument(
        "--names", metavar="A,B,C", help="a name for each channel, in their order; one with a comma in quotes"
    )
    channels.add_argument("--colours", metavar="#RRGGBB,…", help="a colour for each channel, in their order")
    channels.add_argument(
        "--windows",
        metavar="LOW:HIGH,…",
        help="pixel values shown black and full, for each channel; auto = by percentiles of the images",
    )


def _channels(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.datasets import store
    from ssrl_core.datasets.pictures import as_json, changed

    imageset = store.load(args.name)
    names = names_in(args.names, where=_CHANNELS, field="--names") if args.names is not None else None
    colours, windows = _parts(args.colours), _windows(args.windows)
    if any(value is not None for value in (names, colours, windows)):
        shown = changed(imageset.channels, names=names, colours=colours, windows=windows, where=_CHANNELS)
        imageset = store.set_channels(args.name, shown)
    return {"name": imageset.name, "channels": as_json(imageset.channels)}


def _show_channels(item: dict[str, Any]) -> str:
    rows = [
        {
            "channel": channel["name"],
            "colour": channel["colour"],
            "black..full": "{:g}..{:g}".format(*channel["window"]) if "window" in channel else "auto",
        }
        for channel in item["channels"]
    ]
    return table(rows, ["channel", "colour", "black..full"])


def _parts(text: str | None) -> list[str] | None:
    return [part.strip() for part in text.split(",")] if text is not None else None


def _windows(text: str | None) -> list[tuple[float, float] | None] | None:
    parts = _parts(text)
    return [None if part == "auto" else _window(part) for part in parts] if parts is not None else None


def _window(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(":"))
    except ValueError:
        raise SpecError.at(_CHANNELS, "--windows", "LOW:HIGH or auto", text) from None
    return low, high


def _join(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.datasets import store
    from ssrl_core.datasets.subsets import join

    imageset = store.load(args.name)
    by = names_in(args.by, where="data join", field="--by") if args.by else []
    found = join(imageset, args.table, by=tuple(by))
    told = {"columns": list(found.columns), "by": list(found.keys), "found": found.found, "unused": list(found.unused)}
    return {"name": args.name, "images": imageset.count, **told}


def _show_join(data: dict[str, Any]) -> str:
    brought = f"{data['name']}: {', '.join(data['columns'])} for {data['found']:,} of {data['images']:,} images"
    unused = data["unused"]
    more = f"; {len(unused)} rows of the table fit no image: {', '.join(unused[:5])}" if unused else ""
    return f"{brought}, by {', '.join(data['by'])}{more}"


def register_subset(data: Any) -> None:
    """Add `data subset` to the actions of `data`."""
    from ssrl_core.datasets.subsets import PRESETS

    subset = leaf(
        data,
        "subset",
        run=_subset,
        show=_show_subset,
        help="some compounds and doses, and as many untreated cells of the same plates",
        description="Presets of the paper: " + " ".join(f"{name}: {row.sentence}" for name, row in PRESETS.items()),
    )
    subset.add_argument("source", metavar="N", help="the image set they are taken from")
    subset.add_argument("--name", required=True, metavar="NEW", help="the new image set's name")
    subset.add_argument("--title", help="the name for people")
    subset.add_argument("--preset", metavar="P", help=", ".join(PRESETS))
    subset.add_argument("--compound", action="append", default=[], metavar="C", help="repeatable")
    subset.add_argument("--all", action="store_true", help="every image, split anew by --group (compounds left out)")
    subset.add_argument("--highest", type=int, metavar="K", help="only the K highest doses of each compound")
    subset.add_argument("--dose", type=float, action="append", metavar="D", help="only this dose; repeatable")
    subset.add_argument("--cells", type=int, metavar="N", help="cells of each compound, and untreated (default: all)")
    subset.add_argument(
        "--group",
        metavar="COLUMN",
        help="no value of it will be in two splits (default: wells, where known; none: cell by cell)",
    )
    subset.add_argument("--seed", type=int, help="decides which cells, and the split (default: 5)")


def _subset(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.datasets import store
    from ssrl_core.datasets.subsets import make_subset

    source = store.load(args.source)
    made = (
        _every(source, args)
        if args.all
        else make_subset(source, args.name, _choice(args), title=args.title, report=_print_first)
    )
    notes = str(made.meta["source"]).split("; ")[1:]
    compounds = {name: int(count) for name, count in made.table["compound"].value_counts().items()}
    return {**store.describe(args.name), "compounds": compounds, "notes": notes}


def _every(source: Any, args: argparse.Namespace) -> Any:
    from ssrl_core.datasets.subsets import split_anew

    if args.group is None or args.compound or args.preset or args.dose or args.highest or args.cells:
        rule, remedy = "given with --group COLUMN and nothing else", "It takes every image and splits anew."
        raise SpecError.at("data subset", "--all", rule, "otherwise", remedy)
    return split_anew(source, args.name, args.group, seed=5 if args.seed is None else args.seed, report=_print_first)


def _choice(args: argparse.Namespace) -> Any:
    from ssrl_core.datasets.splits import NO_GROUP
    from ssrl_core.datasets.subsets import PRESETS, SubsetChoice

    if args.preset is not None and args.preset not in PRESETS:
        raise SpecError.at("data subset", "--preset", f"one of {', '.join(PRESETS)}", args.preset)
    if args.preset is None and not args.compound:
        raise SpecError.at("data subset", "--compound", "given, or a preset", None)
    if args.cells is not None and args.cells < 1:
        raise SpecError.at("data subset", "--cells", "a whole number from 1 on", args.cells)
    start = PRESETS[args.preset].choice if args.preset else SubsetChoice(())
    asked = {
        "compounds": tuple(args.compound) or None,
        "highest": args.highest,
        "doses": tuple(args.dose) if args.dose else None,
        "cells": args.cells,
        "group": None if args.group == NO_GROUP else args.group,
        "whole_wells": args.group is None,
        "seed": args.seed,
    }
    return replace(start, **{key: value for key, value in asked.items() if value is not None})


def _print_first(done: int, total: int, what: str) -> None:
    if done == 0:
        to_stderr(what)


def _show_subset(data: dict[str, Any]) -> str:
    lines = [f"{data['name']}: {data['count']:,} cells"]
    lines += [f"  {compound}: {count:,}" for compound, count in data["compounds"].items()]
    lines.append("  " + ", ".join(f"{split} {count:,}" for split, count in data["splits"].items()))
    return "\n".join([*lines, *(f"  {note}" for note in (*data["notes"], *data["warnings"]))])


def register_descriptors(commands: Any) -> None:
    """Add the command."""
    command = leaf(
        commands,
        "descriptors",
        run=_descriptors,
        show=_show_descriptors,
        help="measure what a person sees in every image: brightness, area, elongation …",
        description="Measure every image of an image set once; the Clusters page colours by it and says what sets a "
        "cluster apart. What is there already is not made again. With --call, --like and --unlike a descriptor of your "
        "own is made by example; forecasts, searches and evaluation know it by its name from then on.",
    )
    command.add_argument("name", metavar="N", help="name of the image set")
    command.add_argument("--again", action="store_true", help="measure again")
    command.add_argument("--call", metavar="NAME", help="make a descriptor by example, of this name")
    command.add_argument("--like", metavar="ID", type=int, nargs="+", default=[], help="images that have much of it")
    command.add_argument(
        "--unlike", metavar="ID", type=int, nargs="+", default=[], help="images that have little of it"
    )
    command.add_argument("--forget", metavar="NAME", help="take a descriptor by example away")


def _descriptors(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.datasets import store
    from ssrl_core.runs.evaluation import descriptors
    from ssrl_core.runs.jobs import Reporter

    with Reporter() as report:
        imageset = store.load(args.name)
        _own_descriptors(imageset, args)
        table = None if args.again else descriptors.read(imageset)
        if table is None:
            table = descriptors.make(imageset, Tenths("descriptors", report), again=args.again)
    rows = {}
    for name in table.columns:
        known = table[name].dropna()
        quantiles = [round(float(known.quantile(q)), 6) for q in (0.25, 0.5, 0.75)] if len(known) else None
        rows[name] = {"n": len(known), "quartiles": quantiles}
    told = {"name": args.name, "count": len(table), "file": "descriptors.parquet", "descriptors": rows}
    return told | {"by_example": _by_example(imageset, table)}


def _own_descriptors(imageset: Any, args: argparse.Namespace) -> None:
    """Make or take away a descriptor by example, where that is asked for."""
    from ssrl_core.forecast import by_example

    if args.call is None and (args.like or args.unlike):
        remedy = "Give the descriptor a name."
        raise SpecError.at("descriptors", "--call", "given with --like and --unlike", None, remedy)
    if args.forget is not None:
        by_example.forget(imageset, args.forget)
    if args.call is not None:
        by_example.define(imageset, args.call, args.like, args.unlike)


def _by_example(imageset: Any, table: Any) -> dict[str, Any]:
    """{name: {like, unlike, right, most, least}}: the lists, and the images at both ends."""
    from ssrl_core.forecast import by_example

    found = {}
    for name, row in by_example.defined(imageset).items():
        order = table[name].sort_values().index.tolist()
        lists = {"like": list(row.like), "unlike": list(row.unlike), "right": round(row.right, 4)}
        found[name] = lists | {"most": order[::-1][:_ENDS], "least": order[:_ENDS]}
    return found


def _show_descriptors(data: dict[str, Any]) -> str:
    from ssrl_core.analysis.descriptors import descriptor

    lines = [f"{data['name']}: {data['count']} images described"]
    for name, row in data["descriptors"].items():
        about = descriptor(name)
        told = "undefined" if row["quartiles"] is None else " · ".join(f"{q:.3g}" for q in row["quartiles"])
        lines.append(f"{name:>12}  {told:<28} {about.sentence if about else ''}")
    lines.append("(first quarter, median, third quarter)")
    for name, row in data["by_example"].items():
        count = len(row["like"]) + len(row["unlike"])
        right = f"the other examples tell {row['right']:.0%} of the {count} rightly"
        most, least = (", ".join(map(str, row[end])) for end in ("most", "least"))
        lines.append(f"{name}: by example; {right}; most: images {most}; least: {least}")
    return "\n".join(lines)
