"""Every item as one page to print: claims with their intervals and verdicts, published numbers beside measured ones."""

from __future__ import annotations

import base64
import html
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ssrl_core import __version__, stores
from ssrl_core.errors import DataError, RunError, SpecError, not_written
from ssrl_core.paper import galleries, report, running, solved, words
from ssrl_core.paper.authors import base_of, is_authors
from ssrl_core.paper.evidence import Evidence
from ssrl_core.paper.item import EVERY_SCALE, VERDICTS, Item, Scale, published
from ssrl_core.paper.items import ITEMS

_TITLES: Mapping[Scale, str] = {
    "instant": f"Solved ({solved.IS_SOLVED})",
    "small": "Rehearsal (small networks, trained on a CPU)",
    "full": "The experiment itself",
}
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
_PRINTING_S, _DRAWING_S = 300, 30
_TITLE = "What of the paper shows here"
_SHORT: Mapping[Scale, str] = {"instant": "Solved", "small": "Rehearsal", "full": "In full"}
_CHART_PX, _HEADING_PX, _HIGH_PX, _MOST_PX = 690, 24, 400, 880
"""Widths and heights; a chart higher than the last would not stand on one sheet."""
_READ_AS = ", read as the authors' earlier code"
_COLOURS = {"shown": "#0f766e", "reversed": "#b42318", "not shown": "#b54708", "not run": "#667085"}
_MEANS = (
    ("Shown", "The whole 95 % interval of the difference lies on the paper's side."),
    ("Reversed", "The whole interval lies on the other side."),
    ("Not shown", "0 lies in the interval, or there is one seed only. It is no proof that there is no difference."),
    ("Not run", "There are no results."),
    (
        "Direction, not size",
        "A verdict says which side is higher. A difference that shows can be far smaller than the paper's, which "
        "stands beside it where there is one.",
    ),
    (
        "Intervals",
        "Over seeds, by Welch's t: of trainings, or of feature banks and draws where the problem is solved. All seeds "
        "see the same images, so an interval says nothing of other images. ± in tables is the sd over what n counts, "
        "unless a heading says otherwise.",
    ),
    (
        "Other claims",
        "An order, a count or a p value has no interval; what it rests on stands below it. A p must be below 0.05.",
    ),
    (
        "Many claims",
        "Each is judged alone: of a hundred differences that are none, about five have an interval without 0. Items "
        "that look at the same runs are not independent.",
    ),
    ("Lines", "The difference with its interval; right of the bar is the paper's side."),
    ("≈", "A published number of another network or other images."),
)
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #1d2939;
  background: #fff; font-variant-numeric: tabular-nums; }
h1 { font-size: 1.7em; margin-bottom: .1em; } h2 { font-size: 1.25em; margin: 2em 0 .3em; }
h3 { font-size: 1.05em; margin: 1.2em 0 .3em; } h2 + p { margin: .2em 0 .4em; }
table { border-collapse: collapse; font-size: .88em; margin: .4em 0 .8em; } .scroll { overflow-x: auto; }
th, td { border-bottom: 1px solid #d0d5dd; padding: .22em .8em .22em 0; text-align: left; vertical-align: top; }
thead th { vertical-align: bottom; line-height: 1.3; } thead th small, td small { font-weight: 400; color: #667085; }
th.group { padding-top: .6em; } tbody th { font-weight: 400; min-width: 9em; } tbody th.group { font-weight: 600; }
.claims { width: 100%; } .claims td:nth-child(2) { width: 100%; } .claims tr:last-child td { border-bottom: 0; }
.name, .numbers td { white-space: nowrap; } .quiet { color: #667085; font-size: .88em; margin: .35em 0; }
.columns th { min-width: 7em; } .all td { font-size: .94em; } .all td:nth-child(2) { min-width: 17em; }
.columns { columns: 3 14em; margin-bottom: .8em; } .columns table { break-inside: avoid; margin-top: 0; width: 100%; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .1em 1em; font-size: .88em; }
dt { font-weight: 600; } dd { margin: 0; }
.verdict { font-weight: 600; white-space: nowrap; }
.line { width: 160px; height: 18px; } .charts { display: flex; flex-wrap: wrap; gap: .4em 10px; }
.galleries { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: .4em 14px; }
.images { font-size: .88em; } .images p { margin: .2em 0 .3em; color: #667085; break-inside: avoid; }
.images b { display: block; } .images b, .above { break-after: avoid; }
.images img { width: 100%; display: block; background: #0b0d10; border-radius: 3px; }
.chart { max-width: 700px; break-inside: avoid; margin: .2em 0; font-size: .88em; }
@page { margin: 14mm; }
@media print { body { margin: 0; padding: 0; max-width: none; font-size: 12px; }
  h2, h3, h2 + p, .head { break-after: avoid; }
  tr, dl, .short, .grouped tbody { break-inside: avoid; }
  p { orphans: 3; widows: 3; } .scroll { overflow: visible; } .line { width: 110px; }
  .numbers { font-size: .8em; } .numbers th, .numbers td { padding-right: .6em; } }
"""
_SHORT_ROWS = 14
"""A table of so many rows stands on one sheet."""


Charts = Callable[[str, Evidence], Sequence[Any]]
"""From an item and its evidence to Plotly figures."""


def write(out: Path, charts: Charts | None = None) -> dict[str, Any]:
    """Write the report as one file that needs nothing beside it: HTML, or a PDF where its name ends so.

    Args:
        charts: draws the charts of an item; left out, there are neither charts nor images.

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
    means = "".join(f"<dt>{name}</dt><dd>{_text(told)}</dd>" for name, told in _MEANS)
    parts = [f"<h1>{_TITLE}</h1>{_made()}{_overview(found)}<dl>{means}</dl>"]
    for name, item in ITEMS.items():
        mine = [told for told in found if told["id"] == name]
        parts.append(_head(item))
        parts += [f"<p>{_as(item.results_of)}: see there.</p>"] if item.results_of else _scales(mine, charts)
        parts += (
            []
            if item.plans or charts is None
            else [_galleries(name, None) or '<p class="quiet">Its images are not here.</p>']
        )
    body = "\n".join(parts)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_TITLE}</title>'
        f"<style>{_STYLE}</style>{_drawing(body)}</head><body>{body}</body></html>\n"
    )


def _made() -> str:
    """Of which paper, with what, and when."""
    paper = published()["source"].split(";")[0]
    day = time.strftime("%d %B %Y")
    return f'<p class="quiet">{_text(paper)}. Made with Viewloom {__version__} on {day}.</p>'


def _head(item: Item) -> str:
    """The name of an item, what the paper claims, and where it disagrees with itself."""
    own = f'<p class="quiet">The paper itself: {_text(item.conflicts)}</p>' if item.conflicts else ""
    return (
        f'<div class="head"><h2>{words.item(item.id)}: {_text(item.title)}</h2>'
        f"<p>The paper: {_text(item.claim)}</p>{own}</div>"
    )


def _as(other: str) -> str:
    return f"The runs and claims of {words.item(other).lower()}, counted there"


def _scales(mine: Sequence[dict[str, Any]], charts: Charts | None) -> list[str]:
    """The scales of an item; a note that several have is said once."""
    said: set[str] = set()
    return [_scale(told, charts, said) for told in mine]


def _drawing(body: str) -> str:
    """What draws the charts of a page, laid into it; nothing for a page without."""
    if 'class="chart"' not in body:
        return ""
    from plotly.offline import get_plotlyjs

    return f'<script type="text/javascript">{get_plotlyjs()}</script>'


def _overview(found: list[dict[str, Any]]) -> str:
    """A row an item: how many of its claims have which verdict, scale by scale; the last row counts all."""
    scales = [scale for scale in EVERY_SCALE if any(told["scale"] == scale and running.began(told) for told in found)]
    heads = "".join(f"<th>{_title(_SHORT, scale)}</th>" for scale in scales)
    rows = "".join(_overview_row(name, found, scales) for name in ITEMS)
    sums = "".join(f"<td>{_counts(_once(told for told in found if told['scale'] == scale))}</td>" for scale in scales)
    total = f"<tr><td></td><td>All, a difference that several items share once</td>{sums}</tr>" if scales else ""
    return f'<table class="all"><thead><tr><th></th><th></th>{heads}</tr></thead><tbody>{rows}{total}</tbody></table>'


def _once(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The claims of several items; one that rests on the same difference as another is that one."""
    every: dict[Any, dict[str, Any]] = {}
    for told in found:
        for c in [] if ITEMS[told["id"]].results_of else told["contrasts"]:
            same = (told["id"], c["claim"]) if c["difference"] is None else (c["difference"], c["low"], c["unit"])
            every.setdefault(same, c)
    return list(every.values())


def _overview_row(name: str, found: list[dict[str, Any]], scales: Sequence[Scale]) -> str:
    item = ITEMS[name]
    mine = {told["scale"]: told for told in found if told["id"] == name and running.began(told)}
    cells = "".join(f"<td>{_counts(mine[scale]['contrasts']) if scale in mine else '–'}</td>" for scale in scales)
    if item.results_of and scales:
        cells = f'<td colspan="{len(scales)}">as {words.item(item.results_of).lower()}</td>'
    title = item.title if item.plans else f"{item.title} (nothing to measure)"
    return f'<tr><td class="name">{words.item(name)}</td><td>{_text(title)}</td>{cells}</tr>'


def _title(titles: Mapping[Scale, str], scale: Scale) -> str:
    return titles[base_of(scale)] + (_READ_AS if is_authors(scale) else "")


def _counts(contrasts: Sequence[dict[str, Any]]) -> str:
    """`2 shown, 1 reversed`, each in its colour."""
    every = [c["verdict"] for c in contrasts]
    return ", ".join(
        f'<span class="verdict" style="color:{_COLOURS[kind]}">{every.count(kind)} {kind}</span>'
        for kind in VERDICTS
        if kind in every
    )


def _scale(told: dict[str, Any], charts: Charts | None, said: set[str]) -> str:
    """One scale of an item: claims, numbers, charts, notes.

    Args:
        said: notes of this item that stand above; those of this scale are added.
    """
    rows = "".join(_claim(c, report.reach(told["contrasts"], c["unit"])) for c in told["contrasts"])
    blocks = report.measured(told["id"], told["rows"], told["scale"])
    numbers = "".join(_table(told["id"], table) for table in report.tables(blocks))
    near = [f"≈ {report.nearest_meaning(told['id'])}"] if any(block.has_nearest for block in blocks) else []
    missing = [f"Missing: {row['title']}. {row['how']}" for row in told["missing"] if not told.get("made_with")]
    notes = [*near, told.get("made_with"), told["says"], *told["note"].split("\n"), told.get("unsolved"), *missing]
    new = [str(note) for note in dict.fromkeys(notes) if note and note not in said]
    said.update(new)
    quiet = "".join(f'<p class="quiet">{_text(note)}</p>' for note in new)
    evidence = _evidence(told) if charts is not None and running.began(told) else None
    drawn = "" if charts is None or evidence is None else _charts(told["id"], evidence, charts)
    drawn += "" if evidence is None else _galleries(told["id"], evidence)
    head = f"<h3>{_title(_TITLES, told['scale'])}</h3>"
    short = " short" if len(told["contrasts"]) <= _SHORT_ROWS // 2 else ""
    return f'{head}<table class="claims{short}"><tbody>{rows}</tbody></table>{numbers}{drawn}{quiet}'


def _evidence(told: dict[str, Any]) -> Evidence | None:
    """What an item's charts and images are made of: one's own, or what ships of it."""
    name, scale = told["id"], told["scale"]
    return running.shipped_evidence(name, scale) if "made_with" in told else running.evidence(name, scale)


def _galleries(name: str, evidence: Evidence | None) -> str:
    """The images of an item, two galleries in a row; nothing where they are not here."""
    shown = galleries.galleries(name, evidence)
    if not shown:
        return ""
    above = galleries.above(name, evidence)
    said = f'<p class="quiet above">{_text(above)}</p>' if above else ""
    return f'{said}<div class="galleries">{"".join(map(_gallery, shown))}</div>'


def _gallery(one: galleries.Gallery) -> str:
    """Rows of images, the words of each above it."""
    from ssrl_core.datasets import store as image_sets

    rows = [f"<p>{_text(one.problem)}</p>"] if one.problem else []
    for ids, text in one.rows:
        picture = base64.b64encode(galleries.picture(image_sets.load(one.dataset), ids)).decode()
        rows.append(f'<p>{_text(text)}<img alt="" src="data:image/png;base64,{picture}"></p>')
    return f'<div class="images"><b>{_text(one.title)}</b>{"".join(rows)}</div>'


def _charts(name: str, evidence: Evidence, charts: Charts) -> str:
    """The charts of an item, as pieces of the page that `_drawing` fills: two in a row where there are several."""
    figures = list(charts(name, evidence))
    if not figures:
        return ""
    key = words.chart_key(name)
    keyed = f'<p class="quiet">{_text(key)}</p>' if key else ""
    small = len(figures) > 1 and all((one.layout.height or 0) < _HIGH_PX for one in figures)
    return f'<div class="charts">{"".join(_chart(one, small) for one in figures)}</div>{keyed}'


def _chart(figure: Any, small: bool) -> str:
    """A chart; its title stands above it, where it wraps."""
    title = figure.layout.meta or figure.layout.title.text
    room = 0 if figure.layout.meta or not title else (figure.layout.margin.t or 0) - _HEADING_PX
    height = min((figure.layout.height or _HIGH_PX) - max(0, room), _MOST_PX) - (_HEADING_PX if room and small else 0)
    width = _CHART_PX // 2 - 5 if small else _CHART_PX
    figure.update_layout(
        template="none",
        title=None,
        width=width,
        height=height,
        margin_t=_HEADING_PX if room > 0 else figure.layout.margin.t,
        font={"color": "#1d2939", "size": 11},
    )
    figure.update_xaxes(title_font_size=11).update_yaxes(title_font_size=11)
    said = f"<b>{_text(title).replace('&lt;br&gt;', ' ')}</b>" if title else ""
    drawn = figure.to_html(full_html=False, include_plotlyjs=False, config={"staticPlot": True})
    return f'<div class="chart" style="width:{width}px">{said}{drawn}</div>'


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


def _table(item: str, blocks: Sequence[report.Block]) -> str:
    """Numbers, published beside measured; many short lists of one number stand in columns below its name."""
    kinds = report.kinds(blocks)
    usual = {column: report.usual_n(item, blocks, column) for column, _ in kinds}
    every = [_rows(item, block, kinds, usual) for block in blocks]
    bodies = [f"<tbody>{''.join(rows)}</tbody>" for rows in every]
    if len(kinds) == 1 and len(blocks) > 1 and any(len(block.rows) > 1 for block in blocks):
        lists = "".join(f'<table class="numbers">{body}</table>' for body in bodies)
        return f'<p class="quiet">{_heading(*kinds[0], usual)}</p><div class="columns">{lists}</div>'
    heads = "".join(f"<th>{_heading(column, kind, usual)}</th>" for column, kind in kinds)
    corner = "" if blocks[0].group else _text(words.QUANTITIES.get(item, ""))
    short = " short" if sum(map(len, every)) <= _SHORT_ROWS else " grouped" if len(blocks) > 1 else ""
    return (
        f'<div class="scroll"><table class="numbers{short}"><thead><tr><th><small>{corner}</small></th>{heads}</tr>'
        f"</thead>{''.join(bodies)}</table></div>"
    )


def _heading(column: str, kind: str, usual: Mapping[str, str]) -> str:
    under = kind if kind == "published" else f"ours, {usual[column]}"
    return f"{_text(words.row_name(column))}<br><small>{under}</small>"


def _rows(item: str, block: report.Block, kinds: Sequence[tuple[str, str]], usual: Mapping[str, str]) -> list[str]:
    """The rows of a block below the name of its group."""
    rows = []
    for said, name in report.lines(block):
        told = [report.cell_words(item, name, c, block.cells.get((name, c)), k, usual[c]) for c, k in kinds]
        cells = "".join(f"<td>{_cell(text)}</td>" for text in told)
        group = f'<tr><th class="group" colspan="{1 + len(kinds)}">{_text(said)}</th></tr>'
        rows.append(f"<tr><th>{_text(said)}</th>{cells}</tr>" if name else group)
    return rows


def _cell(text: str) -> str:
    """A number; another n than the heading's stands below it."""
    number, other, n = _text(text).partition(" (n")
    return f"{number}<br><small>(n{n}</small>" if other else number


def _text(value: Any) -> str:
    return html.escape(str(value))
