"""Every item as one page to print: claims with their intervals and verdicts, published numbers beside measured ones."""

from __future__ import annotations

import html
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ssrl_core import __version__, stores
from ssrl_core.errors import DataError, RunError, SpecError, not_written
from ssrl_core.paper import report, running, solved, words
from ssrl_core.paper.authors import base_of, is_authors
from ssrl_core.paper.evidence import Evidence
from ssrl_core.paper.item import EVERY_SCALE, VERDICTS, Scale
from ssrl_core.paper.items import ITEMS

_TITLES: Mapping[Scale, str] = {
    "instant": f"Solved ({solved.IS_SOLVED})",
    "small": "Rehearsal (small networks, trained on a CPU)",
    "full": "The experiment itself",
}
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
_PRINTING_S, _DRAWING_S = 300, 30
_MOST_COLUMNS = 6
_SHORT: Mapping[Scale, str] = {"instant": "Solved", "small": "Rehearsal", "full": "In full"}
_CHART_PX = 700
_READ_AS = ", read as the authors' earlier code"
_COLOURS = {"shown": "#0f766e", "reversed": "#b42318", "not shown": "#b54708", "not run": "#667085"}
_MEANS = (
    "Shown: the whole 95 % interval of the difference lies on the paper's side. Reversed: on the other. Not shown: "
    "0 lies in it, or there is one seed only. Not run: there are no results. The line is the difference with its "
    "interval; right of the bar is the paper's side. Each interval stands alone: of a hundred differences that are "
    "none, about five have an interval without 0. ≈ before a published number: of another network or other images."
)
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #1d2939;
  background: #fff; }
h1 { font-size: 1.7em; } h2 { font-size: 1.25em; margin: 2.2em 0 .3em; }
h3 { font-size: 1.05em; margin: 1.2em 0 .3em; }
table { border-collapse: collapse; font-size: .88em; margin: .4em 0; } .scroll { overflow-x: auto; }
th, td { border-bottom: 1px solid #d0d5dd; padding: .25em .7em .25em 0; text-align: left; vertical-align: top; }
.name { white-space: nowrap; } .quiet { color: #667085; font-size: .88em; }
.verdict { font-weight: 600; white-space: nowrap; }
.line { width: 160px; height: 18px; } .chart { max-width: 700px; break-inside: avoid; margin: .4em 0; }
@media print { body { margin: 0; max-width: none; font-size: 12px; } h2, h3 { break-after: avoid; }
  tr { break-inside: avoid; } .scroll { overflow: visible; } .line { width: 110px; } }
"""


Charts = Callable[[str, Evidence], Sequence[Any]]
"""From an item and its evidence to Plotly figures."""


def write(out: Path, charts: Charts | None = None) -> dict[str, Any]:
    """Write the report as one file that needs nothing beside it: HTML, or a PDF where its name ends so.

    Args:
        charts: draws the charts of an item; left out, there are none.

    Returns:
        {file, items: [{id, scale, verdict}] of what has results}.

    Raises:
        SpecError: a PDF is asked for and there is no browser that prints one.
        DataError: a place where no file can be.
        RunError: the disk takes nothing, or the browser did not print it.
    """
    as_pdf = out.suffix.lower() == ".pdf"
    browser = _browser(out) if as_pdf else ""
    found = everything()
    try:
        stores.replace(out, _printed(browser, page(found, charts)) if as_pdf else page(found, charts))
    except OSError as error:
        told = DataError.at(str(out), "out", "a file that can be written", error.strerror)
        raise not_written(error) or told from error
    items = [{key: told[key] for key in ("id", "scale", "verdict")} for told in found if running.began(told)]
    return {"file": str(out), "items": items}


def _browser(out: Path) -> str:
    """The command of a Chromium on this machine, which prints without a window."""
    there = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    if there is None:
        raise SpecError.at(
            "Report",
            "out",
            "a file that ends in .html: no Chromium is installed here to print a PDF",
            str(out),
            "Install Chromium or Google Chrome, or write the .html and print that from any browser.",
        )
    return there


def _printed(browser: str, text: str) -> bytes:
    """A page as a PDF."""
    with tempfile.TemporaryDirectory() as folder:
        html_file, made = Path(folder, "report.html"), Path(folder, "report.pdf")
        html_file.write_text(text, encoding="utf-8")
        options = ["--headless", "--disable-gpu", "--no-pdf-header-footer", f"--user-data-dir={folder}/profile"]
        options.append(f"--virtual-time-budget={1000 * _DRAWING_S}")  # charts are drawn by then
        options += ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # root has no sandbox
        command = [browser, *options, f"--print-to-pdf={made}", html_file.as_uri()]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=_PRINTING_S, check=False)
            why = ended.stderr.strip()[-300:]
        except (OSError, subprocess.TimeoutExpired) as error:
            why = str(error)
        if made.is_file():
            return made.read_bytes()
    raise RunError(f"{browser} did not print the report: {why} Write an .html and print that from a browser.")


def everything() -> list[dict[str, Any]]:
    """What there is of every item, scale by scale."""
    return [told for name in ITEMS for told in _told(name)]


def _told(name: str) -> list[dict[str, Any]]:
    """The scales of an item that have results, one's own or those that ship; else the first, which says what lacks."""
    every = [running.shown(name, scale) for scale in EVERY_SCALE if scale in ITEMS[name].plans]
    return [told for told in every if running.began(told)] or every[:1]


def page(found: list[dict[str, Any]], charts: Charts | None = None) -> str:
    """The whole document."""
    verdicts = [c["verdict"] for told in found for c in told["contrasts"]]
    counts = ", ".join(f"{verdicts.count(kind)} {kind}" for kind in VERDICTS if kind in verdicts)
    parts = [f"<h1>What of the paper shows</h1><p>{counts} of {len(verdicts)} claims. {_MEANS}</p>", _overview(found)]
    before = ""
    for told in found:
        if told["id"] != before:
            before = told["id"]
            parts.append(
                f"<h2>{words.item(before)}: {_text(told['title'])}</h2><p>The paper: {_text(told['claim'])}</p>"
            )
        parts.append(_scale(told, charts))
    parts.append(f'<p class="quiet">Made with Viewloom {__version__}.</p>')
    body = "\n".join(parts)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>What of the paper shows</title>'
        f"<style>{_STYLE}</style>{_drawing(body)}</head><body>{body}</body></html>\n"
    )


def _drawing(body: str) -> str:
    """What draws the charts of a page, laid into it; nothing for a page without."""
    if 'class="chart"' not in body:
        return ""
    from plotly.offline import get_plotlyjs

    return f'<script type="text/javascript">{get_plotlyjs()}</script>'


def _overview(found: list[dict[str, Any]]) -> str:
    """A row an item: how many of its claims have which verdict, scale by scale."""
    scales = [scale for scale in EVERY_SCALE if any(told["scale"] == scale and running.began(told) for told in found)]
    heads = "".join(f"<th>{_title(_SHORT, scale)}</th>" for scale in scales)
    rows = ""
    for name, item in ITEMS.items():
        mine = {told["scale"]: told for told in found if told["id"] == name and running.began(told)}
        cells = "".join(f"<td>{_counts(mine[scale]) if scale in mine else '–'}</td>" for scale in scales)
        title = item.title if item.plans else f"{item.title} (nothing to measure)"
        rows += f'<tr><td class="name">{words.item(name)}</td><td>{_text(title)}</td>{cells}</tr>'
    return f"<table><tr><th></th><th></th>{heads}</tr>{rows}</table>"


def _title(titles: Mapping[Scale, str], scale: Scale) -> str:
    return titles[base_of(scale)] + (_READ_AS if is_authors(scale) else "")


def _counts(told: dict[str, Any]) -> str:
    """`2 shown, 1 reversed`, each in its colour."""
    every = [c["verdict"] for c in told["contrasts"]]
    return ", ".join(
        f'<span class="verdict" style="color:{_COLOURS[kind]}">{every.count(kind)} {kind}</span>'
        for kind in VERDICTS
        if kind in every
    )


def _scale(told: dict[str, Any], charts: Charts | None) -> str:
    """One scale of an item: claims, numbers, charts, notes."""
    rows = "".join(_claim(c, report.reach(told["contrasts"], c["unit"])) for c in told["contrasts"])
    blocks = "".join(_block(told["id"], block) for block in report.measured(told["id"], told["rows"], told["scale"]))
    notes = (told.get("made_with"), told["says"], *told["note"].split("\n"), told["conflicts"], told.get("unsolved"))
    quiet = "".join(f'<p class="quiet">{_text(note)}</p>' for note in notes if note)
    missing = (f"Missing: {row['title']}. {row['how']}" for row in told["missing"] if not told.get("made_with"))
    quiet += "".join(f'<p class="quiet">{_text(text)}</p>' for text in missing)
    drawn = "" if charts is None or not running.began(told) else _charts(told, charts)
    return f"<h3>{_title(_TITLES, told['scale'])}</h3><table>{rows}</table>{blocks}{drawn}{quiet}"


def _charts(told: dict[str, Any], charts: Charts) -> str:
    """The charts of an item, as pieces of the page that `_drawing` fills."""
    name, scale = told["id"], told["scale"]
    evidence = running.shipped_evidence(name, scale) if "made_with" in told else running.evidence(name, scale)
    parts = []
    for figure in [] if evidence is None else charts(name, evidence):
        figure.update_layout(template="none", width=_CHART_PX, font={"color": "#1d2939", "size": 12})
        said = f"<b>{_text(figure.layout.meta)}</b>" if figure.layout.meta else ""
        drawn = figure.to_html(full_html=False, include_plotlyjs=False, config={"staticPlot": True})
        parts.append(f'<div class="chart">{said}{drawn}</div>')
    return "".join(parts)


def _claim(c: dict[str, Any], reach: float) -> str:
    said = f'{_text(words.claim(c["claim"]))}.<br><span class="quiet">{_text(words.difference(c))}</span>'
    colour = _COLOURS[c["verdict"]]
    head = f'<td class="verdict" style="color:{colour}">{c["verdict"]}</td>'
    return f"<tr>{head}<td>{said}</td><td>{_line(c, reach, colour)}</td></tr>"


def _line(c: dict[str, Any], reach: float, colour: str) -> str:
    """The interval around 0 as a drawing."""
    if c["difference"] is None:
        return ""
    at = {end: 80 + 78 * c[end] / reach for end in ("low", "high", "difference") if c[end] is not None}
    bar = f'<path d="M{at["low"]:.1f} 9H{at["high"]:.1f}" stroke="{colour}" stroke-width="3"/>' if "low" in at else ""
    dot = f'<circle cx="{at["difference"]:.1f}" cy="9" r="4" fill="{colour}"/>'
    axes = '<path d="M0 9H160" stroke="#d0d5dd"/><path d="M80 0V18" stroke="#667085"/>'
    return f'<svg class="line" viewBox="0 0 160 18" aria-hidden="true">{axes}{bar}{dot}</svg>'


def _block(item: str, block: report.Block) -> str:
    """A table of numbers, published beside measured; one that is wider than a sheet in pieces, one below another."""
    kinds = block.kinds()
    pieces = [kinds[start : start + _MOST_COLUMNS] for start in range(0, len(kinds), _MOST_COLUMNS)]
    return "".join(_piece(item, block, piece) for piece in pieces)


def _piece(item: str, block: report.Block, kinds: list[tuple[str, str]]) -> str:
    heads = "".join(f"<th>{_text(words.row_name(column))}, {kind}</th>" for column, kind in kinds)
    rows = ""
    for name in block.rows:
        cells = [report.cell_words(item, name, c, block.cells.get((name, c)), kind) for c, kind in kinds]
        if any(cells):
            told = "".join(f"<td>{_text(cell)}</td>" for cell in cells)
            rows += f"<tr><td>{_text(words.row_name(name))}</td>{told}</tr>"
    return f'<div class="scroll"><table><tr><th></th>{heads}</tr>{rows}</table></div>'


def _text(value: Any) -> str:
    return html.escape(str(value))
