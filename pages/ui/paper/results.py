"""What was measured beside what the paper says: claims with their verdicts, tables of numbers, readings of LPIPS."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from pages.ui.kit import frame
from pages.ui.kit.frame import ACCENT, DANGER, INK, LINE, PANEL, QUIET, WARNING
from ssrl_core.paper import report, words
from ssrl_core.paper.evidence import PUBLISHED, Evidence
from ssrl_core.paper.report import Block

COLOURS = {"shown": ACCENT, "reversed": DANGER, "not shown": WARNING, "not run": QUIET}
MEANS = {
    "shown": "the whole 95 % interval lies on the paper's side",
    "not shown": "0 lies in the interval, or there is one seed only; no proof that there is no difference",
    "reversed": "the whole interval lies on the other side",
    "not run": "there are no results yet",
}
_MOST_WAITING = 4
_HOW = (
    "Line: the difference and its 95 % interval over seeds (Welch's t), in the direction that the paper claims; right "
    "of the bar is the paper's side. Shown: the whole interval lies there. Reversed: it lies left. Not shown: it "
    "crosses the bar, or there is one seed. A verdict says which side is higher, not by how much."
)
CSS = f"""
.paper-verdict {{ font-weight: 600; white-space: nowrap; }}
.paper-contrast {{ background: {PANEL}; border-radius: 6px; padding: .5rem .8rem; margin: 0 0 .4rem; line-height: 1.45;
  display: grid; grid-template-columns: 5.6rem minmax(0, 1fr) 11rem; gap: .1rem .8rem; align-items: baseline; }}
.paper-contrast .more {{ color: {QUIET}; font-size: .88rem; grid-column: 2; }}
.paper-contrast .line {{ grid-column: 3; grid-row: 1 / span 2; align-self: center; position: relative; height: 1.5rem;
  border-left: 0; }}
.paper-contrast .line u {{ position: absolute; left: 50%; top: 0; bottom: 0; width: 1px; background: {INK};
  opacity: .55; }}
.paper-contrast .line s {{ position: absolute; left: 0; right: 0; top: 50%; height: 1px; background: {LINE}; }}
.paper-contrast .line i {{ position: absolute; top: calc(50% - 1.5px); height: 3px; border-radius: 2px; }}
.paper-contrast .line b {{ position: absolute; top: calc(50% - 5px); width: 10px; height: 10px; margin-left: -5px;
  border-radius: 50%; }}
.paper-contrast.plain {{ grid-template-columns: 5.6rem minmax(0, 1fr); }}
@media (max-width: 640px) {{
  .paper-contrast, .paper-contrast.plain {{ grid-template-columns: minmax(0, 1fr); }}
  .paper-contrast .more, .paper-contrast .line {{ grid-column: 1; grid-row: auto; }}
}}
.paper-scroll {{ overflow-x: auto; margin: .2rem 0 .4rem; }}
.paper-table {{ border-collapse: collapse; font-size: .9rem; min-width: min(100%, 30rem); }}
.paper-table th, .paper-table td {{ border: 0; border-bottom: 1px solid {LINE}; padding: .34rem .8rem .34rem 0;
  text-align: right; vertical-align: baseline; white-space: nowrap; }}
.paper-table thead th {{ color: {QUIET}; font-weight: 500; font-size: .84rem; white-space: normal; }}
.paper-table thead th.top {{ color: inherit; font-weight: 600; }}
.paper-table th[scope="row"], .paper-table thead th:first-child {{ text-align: left; font-weight: 400;
  white-space: normal; min-width: 8rem; padding-right: 1.2rem; position: sticky; left: 0;
  background: light-dark(#ffffff, #0f1216); }}
.paper-table tbody th.group {{ font-weight: 600; padding-top: .9rem; text-align: left; }}
.paper-table td.published {{ color: {QUIET}; }}
.paper-table td.ours b {{ font-weight: 600; color: {ACCENT}; }}
.paper-table td small {{ color: {QUIET}; font-size: .78rem; display: block; line-height: 1.2; }}
.paper-table tbody tr:hover {{ background: {PANEL}; }}
.paper-table abbr {{ text-decoration-style: dotted; text-underline-offset: 3px; cursor: help; }}
"""
_RANGES = {"-1..1": "−1 to 1, as LPIPS asks for", "0..1": "0 to 1", "normalised": "normalised by MNIST's mean and sd"}
_PAIRS = {"views": "two views", "image and view": "an image and its view"}


def verdict_html(verdict: str, count: int | None = None) -> str:
    """A verdict in its colour, with how many claims have it; its meaning on hover."""
    text = verdict if count is None else f"{count} {verdict}"
    about = html.escape(f"{verdict}: {MEANS[verdict]}")
    return f'<span class="paper-verdict" style="color:{COLOURS[verdict]}" title="{about}">{html.escape(text)}</span>'


def summary_html(verdicts: list[str]) -> str:
    """`2 shown, 1 not shown`; one word where all claims have the same."""
    kinds = [kind for kind in COLOURS if kind in verdicts]
    if len(kinds) <= 1:
        return verdict_html(kinds[0] if kinds else "not run")
    return ", ".join(verdict_html(kind, verdicts.count(kind)) for kind in kinds)


def show_claims(contrasts: list[dict[str, Any]]) -> None:
    """The claims of an item.

    Args:
        contrasts: of `running.compare`.
    """
    if not contrasts:
        return
    frame.section("Does it show?")
    waiting = [c for c in contrasts if c["verdict"] == "not run"]
    folded = waiting if len(waiting) > _MOST_WAITING else []
    first = [c for c in contrasts if c not in folded]
    if first:
        st.html("".join(_claim_card(c, report.reach(contrasts, c["unit"])) for c in first))
    if folded:
        with st.expander(f"{len(folded)} claims, not run yet", icon=":material/hourglass_empty:"):
            st.html("".join(_claim_card(c, 1.0) for c in folded))
    notes = words.glossary(f"{c['claim']} {c['unit']}" for c in contrasts)
    if any(c["difference"] is not None for c in contrasts):
        notes.insert(0, _HOW)
    if notes:
        st.html("".join(f'<div class="vl-quiet">{html.escape(line)}</div>' for line in notes))


def _claim_card(c: dict[str, Any], reach: float) -> str:
    plain = "" if c["difference"] is not None else " plain"  # no line beside it
    return (
        f'<div class="paper-contrast{plain}">{verdict_html(c["verdict"])}'
        f"<span>{html.escape(words.claim(c['claim']))}</span>"
        f'<span class="more">{html.escape(words.difference(c))}</span>{_line(c, reach)}</div>'
    )


def _line(c: dict[str, Any], reach: float) -> str:
    """The interval as a line around 0; nothing where there is no difference."""
    if c["difference"] is None:
        return ""
    colour = COLOURS[c["verdict"]]
    dot = f'<b style="left:{_at(c["difference"], reach):.1f}%;background:{colour}"></b>'
    bar = ""
    if c["low"] is not None:
        left, right = _at(c["low"], reach), _at(c["high"], reach)
        bar = f'<i style="left:{left:.1f}%;width:{right - left:.1f}%;background:{colour}"></i>'
    return f'<span class="line"><s></s><u></u>{bar}{dot}</span>'


def _at(value: float, reach: float) -> float:
    return 50 + 50 * value / reach


def show_numbers(data: dict[str, Any]) -> None:
    """The numbers of one item at one scale.

    Args:
        data: of `running.compare`.
    """
    item, rows = data["id"], data["rows"]
    measured, rest = report.measured(item, rows, data["scale"]), report.published_only(rows)
    if not measured and not rest:
        frame.quiet("The paper gives no numbers here, only a picture; ours stand here once it was run.")
        return
    tables = report.tables(measured)
    frame.section("Published beside ours" if any(map(report.has_both, tables)) else "Numbers")
    if measured:
        st.html("".join(table_html(item, blocks) for blocks in tables))
    if any(block.has_nearest for block in measured):
        frame.quiet(f"≈ {report.nearest_meaning(item)}")
    if not rest:
        return
    if not measured:
        frame.quiet("Published; nothing is measured here yet.")
        st.html("".join(table_html(item, [block]) for block in rest))
        return
    with st.expander("Published, not measured at this scale", icon=":material/table_rows:"):
        st.html("".join(table_html(item, [block]) for block in rest))


def table_html(item: str, blocks: Sequence[Block]) -> str:
    """One table; two columns a quantity where there are published numbers and ours."""
    kinds = report.kinds(blocks)
    top = "".join(_heading(column, sum(c == column for c, _ in kinds)) for column in dict.fromkeys(c for c, _ in kinds))
    corner = "" if blocks[0].group else html.escape(words.QUANTITIES.get(item, ""))
    heads = [f"<tr><th>{corner}</th>{top}</tr>"]
    if report.has_both(blocks):
        under = "".join(f'<th scope="col">{kind}</th>' for _, kind in kinds)
        heads.append(f"<tr><th></th>{under}</tr>")
    body = "".join(row for block in blocks for row in _rows(item, block, kinds))
    return (
        f'<div class="paper-scroll" tabindex="0"><table class="paper-table"><thead>{"".join(heads)}</thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _rows(item: str, block: Block, kinds: list[tuple[str, str]]) -> list[str]:
    """The rows of a block below the name of its group."""
    return [_row(item, block, name, kinds, html.escape(said)) for said, name in report.lines(block)]


def _heading(column: str, across: int) -> str:
    name, about = html.escape(words.row_name(column)), html.escape(words.column_meaning(column))
    text = f'<abbr title="{about}">{name}</abbr>' if about else name
    return f'<th class="top" scope="colgroup" colspan="{across}">{text}</th>'


def _row(item: str, block: Block, name: str, kinds: list[tuple[str, str]], said: str) -> str:
    if not name:
        return f'<tr><th class="group" scope="rowgroup" colspan="{1 + len(kinds)}">{said}</th></tr>'
    cells = "".join(_cell(item, name, column, block.cells.get((name, column)), kind) for column, kind in kinds)
    return f'<tr><th scope="row">{said}</th>{cells}</tr>'


def _cell(item: str, row: str, column: str, cell: report.Cell | None, kind: str) -> str:
    n = words.sample_size(item, column, cell.n if cell else 0)
    text = report.cell_words(item, row, column, cell, kind, n)
    if kind == "published" or not text:
        return f'<td class="{kind}">{text}</td>'
    return f'<td class="ours"><b>{text}</b><small>{n}</small></td>'


def show_readings(evidence: Evidence) -> None:
    """The readings that were measured; nothing for an item without them."""
    found = evidence.measure("lpips readings") if "lpips readings" in evidence.plan.measures else None
    if not found:
        return
    with st.expander("Which reading of the LPIPS column fits?", icon=":material/straighten:"):
        frame.quiet(
            f"The paper says neither the size of the images, nor the range of their numbers, nor which pairs. All "
            f"{len(found['readings'])} readings on {found['n']} test images, the nearest to the published values first."
        )
        st.dataframe(readings_table(found["readings"]), hide_index=True, key="paper-readings")


def readings_table(readings: list[dict[str, Any]]) -> pd.DataFrame:
    """A row a reading, the published values first; in order: as the published values."""
    named = {name: words.row_name(name) for name in PUBLISHED}
    first = {"size": "", "numbers": "", "pairs": "published", **{named[k]: v for k, v in PUBLISHED.items()}}
    rows = [
        {
            "size": f"{row['size_px']} px",
            "numbers": _RANGES[row["range"]],
            "pairs": _PAIRS[row["pairs"]],
            "mean difference": round(row["distance"], 3),
            "in order": "yes" if row["in_order"] else "no",
            **{named[name]: round(value, 3) for name, value in row["values"].items()},
        }
        for row in readings
    ]
    return pd.DataFrame([first, *rows], columns=list(rows[0]) if rows else list(first))
