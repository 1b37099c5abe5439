"""Every item as one page to print: claims with their intervals and verdicts, published numbers beside measured ones."""

from __future__ import annotations

import html
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ssrl_core import __version__, stores
from ssrl_core.errors import DataError, RunError, SpecError
from ssrl_core.paper import report, running, solved, words
from ssrl_core.paper.item import NOT_RUN, SCALES, VERDICTS, Scale
from ssrl_core.paper.items import ITEMS

_TITLES: Mapping[Scale, str] = {
    "instant": f"Solved ({solved.IS_SOLVED})",
    "small": "Rehearsal (small networks, trained on a CPU)",
    "full": "The experiment itself",
}
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
_PRINTING_S = 120
_COLOURS = {"shown": "#0f766e", "reversed": "#b42318", "not shown": "#b54708", "not run": "#667085"}
_MEANS = (
    "Shown: the whole 95 % interval of the difference lies on the paper's side. Reversed: on the other. Not shown: "
    "0 lies in it, or there is one seed only. Not run: there are no results. The line is the difference with its "
    "interval; right of the bar is the paper's side. ≈ before a published number: of another network or other images."
)
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1d2939; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .3rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
table { border-collapse: collapse; font-size: .82rem; margin: .4rem 0; } .scroll { overflow-x: auto; }
th, td { border-bottom: 1px solid #d0d5dd; padding: .25rem .6rem .25rem 0; text-align: left; vertical-align: top; }
.quiet { color: #667085; font-size: .85rem; } .verdict { font-weight: 600; white-space: nowrap; }
svg { width: 160px; height: 18px; }
@media print { body { margin: 0; max-width: none; font-size: 11px; } h2 { break-after: avoid; }
  tr { break-inside: avoid; } }
"""


def write(out: Path) -> dict[str, Any]:
    """Write the report as one file that needs nothing beside it: HTML, or a PDF where its name ends so.

    Returns:
        {file, items: [{id, scale, verdict}] of what has results}.

    Raises:
        SpecError: a PDF is asked for and there is no browser that prints one.
        DataError: the file cannot be written.
        RunError: the browser did not print it.
    """
    as_pdf = out.suffix.lower() == ".pdf"
    browser = _browser(out) if as_pdf else ""
    found = everything()
    try:
        stores.replace(out, _printed(browser, page(found)) if as_pdf else page(found))
    except OSError as error:
        raise DataError.at(str(out), "out", "a file that can be written", error.strerror) from error
    items = [{key: told[key] for key in ("id", "scale", "verdict")} for told in found if told["verdict"] != NOT_RUN]
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
    every = [running.shown(name, scale) for scale in SCALES if scale in ITEMS[name].plans]
    return [told for told in every if told["verdict"] != NOT_RUN] or every[:1]


def page(found: list[dict[str, Any]]) -> str:
    """The whole document."""
    verdicts = [c["verdict"] for told in found for c in told["contrasts"]]
    counts = ", ".join(f"{verdicts.count(kind)} {kind}" for kind in VERDICTS if kind in verdicts)
    parts = [f"<h1>What of the paper shows</h1><p>{counts} of {len(verdicts)} claims. {_MEANS}</p>"]
    before = ""
    for told in found:
        if told["id"] != before:
            before = told["id"]
            parts.append(
                f"<h2>{words.item(before)}: {_text(told['title'])}</h2><p>The paper: {_text(told['claim'])}</p>"
            )
        parts.append(_scale(told))
    parts.append(f'<p class="quiet">Made with Viewloom {__version__}.</p>')
    body = "\n".join(parts)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>What of the paper shows</title>'
        f"<style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )


def _scale(told: dict[str, Any]) -> str:
    """One scale of an item: claims, numbers, notes."""
    rows = "".join(_claim(c, report.reach(told["contrasts"], c["unit"])) for c in told["contrasts"])
    blocks = "".join(_block(told["id"], block) for block in report.measured(told["id"], told["rows"], told["scale"]))
    notes = (told.get("made_with"), told["says"], told["note"], told["conflicts"], told.get("unsolved"))
    quiet = "".join(f'<p class="quiet">{_text(note)}</p>' for note in notes if note)
    missing = (f"Missing: {row['title']}. {row['how']}" for row in told["missing"])
    quiet += "".join(f'<p class="quiet">{_text(text)}</p>' for text in missing)
    return f"<h3>{_TITLES[told['scale']]}</h3><table>{rows}</table>{blocks}{quiet}"


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
    return f'<svg viewBox="0 0 160 18" aria-hidden="true">{axes}{bar}{dot}</svg>'


def _block(item: str, block: report.Block) -> str:
    """A table of numbers, published beside measured."""
    kinds = block.kinds()
    heads = "".join(f"<th>{_text(words.row_name(column))}, {kind}</th>" for column, kind in kinds)
    rows = ""
    for name in block.rows:
        cells = (report.cell_words(item, name, c, block.cells.get((name, c)), kind) for c, kind in kinds)
        rows += f"<tr><td>{_text(words.row_name(name))}</td>{''.join(f'<td>{_text(cell)}</td>' for cell in cells)}</tr>"
    return f'<div class="scroll"><table><tr><th></th>{heads}</tr>{rows}</table></div>'


def _text(value: Any) -> str:
    return html.escape(str(value))
