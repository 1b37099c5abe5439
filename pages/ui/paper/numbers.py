"""Published beside ours, as the paper's table stands: what was measured here first."""

from __future__ import annotations

import html
from typing import Any

import streamlit as st

from pages.ui.kit import frame
from pages.ui.kit.theme import ACCENT, LINE, PANEL, QUIET
from ssrl_core.paper import report, words
from ssrl_core.paper.report import Block

CSS = f"""
.paper-scroll {{ overflow-x: auto; margin: .2rem 0 .4rem; }}
.paper-table {{ border-collapse: collapse; font-size: .9rem; min-width: min(100%, 30rem); }}
.paper-table th, .paper-table td {{ border: 0; border-bottom: 1px solid {LINE}; padding: .34rem .8rem .34rem 0;
  text-align: right; vertical-align: baseline; white-space: nowrap; }}
.paper-table thead th {{ color: {QUIET}; font-weight: 500; font-size: .84rem; white-space: normal; }}
.paper-table thead th.top {{ color: inherit; font-weight: 600; }}
.paper-table th[scope="row"], .paper-table thead th:first-child {{ text-align: left; font-weight: 400;
  white-space: normal; min-width: 8rem; padding-right: 1.2rem; position: sticky; left: 0;
  background: light-dark(#ffffff, #0f1216); }}
.paper-table td.published {{ color: {QUIET}; }}
.paper-table td.ours b {{ font-weight: 600; color: {ACCENT}; }}
.paper-table td small {{ color: {QUIET}; font-size: .78rem; display: block; line-height: 1.2; }}
.paper-table tbody tr:hover {{ background: {PANEL}; }}
.paper-table abbr {{ text-decoration-style: dotted; text-underline-offset: 3px; cursor: help; }}
"""


def show(data: dict[str, Any]) -> None:
    """The numbers of one item at one scale.

    Args:
        data: of `running.compare`.
    """
    item, rows = data["id"], data["rows"]
    measured, rest = report.measured(item, rows, data["scale"]), report.published_only(rows)
    if not measured and not rest:
        frame.quiet("The paper gives no numbers here, only a picture; ours stand here once it was run.")
        return
    frame.section("Published beside ours" if any(block.has_both for block in measured) else "Numbers")
    if measured:
        st.html("".join(table_html(item, block) for block in measured))
    if any(block.has_nearest for block in measured):
        frame.quiet(f"≈ {report.nearest_said(item)}")
    if not rest:
        return
    if not measured:
        frame.quiet("Published; nothing is measured here yet.")
        st.html("".join(table_html(item, block) for block in rest))
        return
    with st.expander("Published, not measured at this scale", icon=":material/table_rows:"):
        st.html("".join(table_html(item, block) for block in rest))


def table_html(item: str, block: Block) -> str:
    """One table; two columns a quantity where there are published numbers and ours."""
    kinds = block.kinds()
    top = "".join(_heading(column, sum(c == column for c, _ in kinds)) for column in block.columns)
    heads = [f"<tr><th></th>{top}</tr>"]
    if block.has_both:
        under = "".join(f'<th scope="col">{kind}</th>' for _, kind in kinds)
        heads.append(f"<tr><th></th>{under}</tr>")
    body = "".join(_row(item, block, name, kinds) for name in block.rows)
    return (
        f'<div class="paper-scroll"><table class="paper-table"><thead>{"".join(heads)}</thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _heading(column: str, across: int) -> str:
    name, about = html.escape(words.named(column)), html.escape(words.about(column))
    told = f'<abbr title="{about}">{name}</abbr>' if about else name
    return f'<th class="top" scope="colgroup" colspan="{across}">{told}</th>'


def _row(item: str, block: Block, name: str, kinds: list[tuple[str, str]]) -> str:
    cells = "".join(_cell(item, name, column, block.cells.get((name, column)), kind) for column, kind in kinds)
    return f'<tr><th scope="row">{html.escape(words.named(name))}</th>{cells}</tr>'


def _cell(item: str, row: str, column: str, cell: report.Cell | None, kind: str) -> str:
    share = words.is_share(item, row, column)
    if cell is None or getattr(cell, kind) is None:
        return f'<td class="{kind}"></td>'
    if kind == "published":
        assert cell.published is not None
        told = words.published(cell.published, share=share, nearest=cell.nearest)
        return f'<td class="published">{told}</td>'
    assert cell.ours is not None
    number = words.spread(cell.ours, cell.sd, share=share)
    return f'<td class="ours"><b>{number}</b><small>{words.counted(item, column, cell.n)}</small></td>'
