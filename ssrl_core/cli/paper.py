"""`paper list | run | compare | readings | curves | report`: every table and figure of the paper: run it, and see ours
beside the published numbers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ssrl_core.cli.output import leaf, table, to_stderr

if TYPE_CHECKING:
    from ssrl_core.paper.report import Block

_ITEMS = "table-1 … table-8, figure-1 … figure-12"
_SCALES = (
    "instant: solved in minutes, not trained; small: a rehearsal for a CPU (default); full: the paper's experiment"
)


def register(commands: Any) -> None:
    """Add `paper list | run T | compare T | curves SET | report`."""
    paper = commands.add_parser(
        "paper", help="the paper's tables and figures: run them, compare with what was published"
    )
    paper = paper.add_subparsers(required=True, metavar="ACTION")
    leaf(paper, "list", run=_list, show=_show_list, help="every item, its cost on this machine, how far it is")
    run = leaf(paper, "run", run=_run, show=_show_run, help="queue what an item needs; what is there is not run again")
    every = "all (with --scale instant): everything whose images are here"
    run.add_argument("item", metavar="T", help=f"{_ITEMS}; {every}")
    run.add_argument("--scale", default="small", help=_SCALES)
    _add_reading(run)
    run.add_argument("--no-start", action="store_true", help="queue without starting a worker")
    run.add_argument("--measures-only", action="store_true", help="only what needs no training")
    compare = leaf(
        paper, "compare", run=_compare, show=_show_compare, help="published beside ours, and a verdict for each claim"
    )
    compare.add_argument("item", metavar="T", help=_ITEMS)
    compare.add_argument("--scale", default="small", help="instant, small (default) or full")
    _add_reading(compare)
    compare.add_argument("--out", metavar="FOLDER", help="also write it there, with specs, seeds and budget")
    told = "each claim of digits and cells under the paper's text and under the authors' earlier code"
    both = leaf(paper, "readings", run=_readings, show=_show_readings, help=told)
    both.add_argument("--out", metavar="FOLDER", help="also write authors.md there")
    told = "how much of each concept is kept over the strength of each transformation, solved with seeds"
    cost = leaf(paper, "curves", run=_curves, show=_show_curves, help=told)
    named = "an image set: strokes (default), simulated-nocodazole, hundred or any with a label or columns of numbers"
    cost.add_argument("dataset", metavar="SET", nargs="?", default="strokes", help=named)
    cost.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        metavar="S",
        help="of images, feature bank, draws (default 5 6 7; of simulated-nocodazole 5 to 10)",
    )
    cost.add_argument("--out", metavar="FOLDER", help="also write curves-SET.json and .md there")
    printed = leaf(paper, "report", run=_report, show=_show_report, help="every item with results as one page to print")
    printed.add_argument("--out", metavar="FILE", required=True, help="an .html, or a .pdf where Chromium is installed")


def _add_reading(command: argparse.ArgumentParser) -> None:
    told = "of the paper where it is silent: its text (paper, default), or the authors' earlier code (digits and cells)"
    command.add_argument("--reading", choices=("paper", "authors"), default="paper", help=told)


def _scale(args: argparse.Namespace) -> Any:
    """The scale in the reading that is asked for."""
    from ssrl_core.paper.authors import SUFFIX, is_authors

    return f"{args.scale}{SUFFIX}" if args.reading == "authors" and not is_authors(args.scale) else args.scale


def _readings(args: argparse.Namespace) -> list[dict[str, Any]]:
    from pathlib import Path

    from ssrl_core import stores
    from ssrl_core.paper import authors

    rows = authors.beside()
    if args.out:
        stores.replace(Path(args.out) / "authors.md", authors.markdown(rows))
    return rows


def _show_readings(rows: list[dict[str, Any]]) -> str:
    from ssrl_core.paper import authors

    return authors.markdown(rows)


def _curves(args: argparse.Namespace) -> dict[str, Any]:
    from pathlib import Path

    from ssrl_core.paper import curves
    from ssrl_core.runs.jobs import Reporter

    seeds = tuple(args.seeds or ())
    with Reporter() as share:
        curves.curves(args.dataset, seeds=seeds, report=to_stderr, share=share)
    found = curves.document(args.dataset, seeds)
    return found | ({"files": curves.write(args.dataset, Path(args.out), seeds)} if args.out else {})


def _show_curves(data: dict[str, Any]) -> str:
    from ssrl_core.paper import curves

    return curves.markdown(data)


def _report(args: argparse.Namespace) -> dict[str, Any]:
    from pathlib import Path

    from ssrl_core.library.paper import charts
    from ssrl_core.paper import printed

    return printed.write(Path(args.out), charts)


def _show_report(data: dict[str, Any]) -> str:
    rest = "" if data["file"].endswith(".pdf") else "; a browser prints it as PDF"
    return f"{len(data['items'])} results in {data['file']}{rest}"


def _list(args: argparse.Namespace) -> list[dict[str, Any]]:
    from ssrl_core.paper.running import listing

    return listing()


def _show_list(rows: list[dict[str, Any]]) -> str:
    from ssrl_core.paper import words

    told = [
        row
        | {
            "gpu hours": words.gpu(row["gpu_hours"]).removesuffix(" GPU hours") if row["runs"] else "–",
            "rehearsal": (row["scales"].get("small") or {}).get("state", "–"),
            "full": row["state"],
        }
        for row in rows
    ]
    note = "runs, gpu hours: of the full experiment, by step times measured here where this network has trained here."
    guessed = any(scale["gpu_guessed"] for row in rows for scale in row["scales"].values())
    note += " Without a card on this machine the hours are guessed from the CPU's step time." if guessed else ""
    return table(told, ["id", "title", "rehearsal", "full", "runs", "gpu hours"]) + "\n" + note


def _run(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.paper import running
    from ssrl_core.paper.items import ITEMS
    from ssrl_core.runs.jobs import Reporter

    scale = _scale(args)
    if args.scale.startswith("instant"):
        with Reporter() as share:
            names = list(ITEMS) if args.item == running.EVERY else [args.item]
            return running.solve(names, scale=scale, report=to_stderr, share=share)
    if args.measures_only:
        with Reporter() as share:
            return running.measure(args.item, scale, report=to_stderr, share=share)
    return running.run(args.item, scale, start=not args.no_start, report=to_stderr)


def _show_run(data: dict[str, Any]) -> str:
    lines = [
        f"{sweep['id']}: {len(sweep['runs'])} runs, {sweep['created']} new, {sweep['existing']} were there already"
        for sweep in data["sweeps"]
    ]
    if "solved" in data:
        spent = f"{data['seconds']:,.0f} s of a processor"
        lines.append(f"{data['solved']} compositions solved in {spent}, {data['existing']} were there already")
    lines += [f"measured: {name}" for name in data["measures"]]
    lines += [f"left out: {text}" for text in data.get("left_out", [])]
    return "\n".join(lines) or "nothing to run"


def _compare(args: argparse.Namespace) -> dict[str, Any]:
    from pathlib import Path

    from ssrl_core.paper import report, running

    scale = _scale(args)
    found = running.compare(args.item, scale)
    if args.out:
        found["files"] = report.write(args.item, scale, Path(args.out))
    return found


def _show_compare(data: dict[str, Any]) -> str:
    parts = [f"{data['id']} ({data['scale']}): {data['title']}", f"The paper: {data['claim']}"]
    if data["scale"].startswith("instant"):
        from ssrl_core.paper import solved

        parts.append(f"These results are {solved.IS_SOLVED}.")
    parts += [f"verdict: {data['verdict']}"] if data["contrasts"] else []
    parts += [_claim(c) for c in data["contrasts"]]
    parts += _tables(data)
    parts += [text for text in (data["says"], data["note"], data["conflicts"]) if text]
    parts += [f"missing: {row['title']}. {row['problem'] or ''} {row['how']}" for row in data["missing"]]
    return "\n\n".join(parts)


def _claim(c: dict[str, Any]) -> str:
    from ssrl_core.paper import words

    return f"- {c['verdict']}: {words.claim(c['claim'])}. {words.difference(c)}".rstrip()


def _tables(data: dict[str, Any]) -> list[str]:
    """What was measured, published beside ours; then what was published only."""
    from ssrl_core.paper import report

    measured = report.measured(data["id"], data["rows"], data["scale"])
    rest = report.published_only(data["rows"])
    parts = [_table(data["id"], blocks) for blocks in report.tables(measured)]
    if any(block.has_nearest for block in measured):
        parts.append(f"≈ {report.nearest_meaning(data['id'])}")
    if rest and measured:
        parts.append("published, not measured at this scale:")
    return parts + [_table(data["id"], [block]) for block in rest]


def _table(item: str, blocks: Sequence[Block]) -> str:
    """A table: for each column published and ours."""
    from ssrl_core.paper import report, words

    both, kinds = report.has_both(blocks), report.kinds(blocks)
    heads = {one: words.row_name(one[0]) + (f", {one[1]}" if both else "") for one in kinds}
    rows = []
    for block in blocks:
        for name in block.rows:
            told = {"": ": ".join(words.row_name(text) for text in (block.group, name) if text)}
            for column, kind in kinds:
                cell = block.cells.get((name, column))
                told[heads[column, kind]] = report.cell_words(item, name, column, cell, kind)
            rows.append(told)
    return table(rows, ["", *heads.values()])
