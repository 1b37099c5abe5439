"""Runs beside each other: curves laid over each other, scores in one table, and where their specs differ."""

from __future__ import annotations

import html
from typing import Any

import streamlit as st

from pages.ui.kit import frame
from pages.ui.kit.theme import LINE, QUIET
from pages.ui.runs import compared
from pages.ui.train import actions
from pages.ui.train import head as train_head
from ssrl_core.runs.queue import tables

LIVE_S = 4.0
MOST = tables.MOST_COMPARED

CSS = f"""
.train-beside {{ border-collapse: collapse; font-size: .92rem; margin: .2rem 0 .8rem; }}
.train-beside th, .train-beside td {{ text-align: right; padding: .2rem 0 .2rem 1.6rem; vertical-align: top; }}
.train-beside th {{ font-weight: 500; color: {QUIET}; }}
.train-beside tr + tr td {{ border-top: 1px solid {LINE}; }}
.train-beside th:first-child, .train-beside td:first-child {{ text-align: left; padding-left: 0; }}
.train-beside td {{ overflow-wrap: anywhere; max-width: 22rem; }}
.train-who {{ margin: .1rem 0; }}
.train-who a {{ color: inherit; text-decoration-color: {QUIET}; }}
.train-who b {{ display: inline-block; min-width: 1.4rem; }}
.train-who small {{ color: {QUIET}; }}
"""


def view(text: str) -> None:
    """Runs beside each other.

    Args:
        text: their ids with commas between, as the address has them.
    """
    found = compared.compared([part.strip() for part in text.split(",") if part.strip()], MOST)
    for run_id in found.gone:
        frame.quiet(f"There is no run “{run_id}” here; it may have been deleted.")
    if len(found.rows) < 2:
        frame.empty("Two runs or more are compared. Tick them in the list of all runs.", stop=False)
        st.button("All runs", icon=":material/list:", key="train-compare-list", on_click=actions.open_list)
        return
    title = f"{len(found.rows)} runs compared"
    train_head.opened(title, _buttons, _body, found.ids, every_s=LIVE_S if found.is_live else None)


def _buttons() -> None:
    st.button("All runs", icon=":material/list:", key="train-compare-list", on_click=actions.open_list)


def _body(ids: list[str]) -> None:
    found = compared.compared(ids, MOST)
    if len(found.rows) < 2:
        st.rerun()  # one of them was deleted meanwhile
    with frame.guard():
        st.html(who_html(found))
        _curves(found)
        frame.section("What was measured")
        measured = compared.scores(found)
        if measured:
            shown = {name: [_number(value) for value in values] for name, values in measured.items()}
            st.html(table_html(shown, found.letters))
        else:
            frame.quiet("Nothing yet.")
        frame.section("Where their settings differ")
        _differences(found)
        _clusters_link(found)


def who_html(found: compared.Compared) -> str:
    """Which run each letter stands for, in its colour; a click opens it."""
    from pages.ui.train.queue import under_html
    from ssrl_core.figures.colours import palette

    lines = []
    for letter, colour, row in zip(found.letters, palette(len(found.rows)), found.rows, strict=True):
        name, run_id = html.escape(frame.run_words(row)), html.escape(str(row["id"]))
        link = f'<a href="?run={run_id}" target="_self">{name}</a>'
        lines.append(f'<p class="train-who"><b style="color:{colour}">{letter}</b> {link} <small>{run_id}</small></p>')
        lines.append(under_html(row))
    return "".join(lines)


def table_html(rows: dict[str, list[str]], letters: str) -> str:
    """A table with a row for each name and a column for each run; names and cells are text."""
    head = "".join(f"<th>{letter}</th>" for letter in letters)
    lines = [
        f"<tr><td>{html.escape(name)}</td>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
        for name, cells in rows.items()
    ]
    table = f'<table class="train-beside"><tr><th></th>{head}</tr>{"".join(lines)}</table>'
    return f'<div style="overflow-x:auto">{table}</div>'


def _curves(found: compared.Compared) -> None:
    from ssrl_core.figures.curves import sweep_curves

    figures = sweep_curves(compared.curves(found), by="run")
    if not figures:
        frame.quiet("There are no curves yet; they begin with the first steps.")
        return
    for column, (name, figure) in zip(st.columns(len(figures)), figures.items(), strict=True):
        column.plotly_chart(figure, key=f"train-compare-{name}", config={"displayModeBar": False})


def _differences(found: compared.Compared) -> None:
    differ = tables.spec_differences(found.ids)
    if not differ:
        frame.quiet("In nothing: they are the same spec.")
        return
    st.html(table_html({path: [_value(one) for one in values] for path, values in differ.items()}, found.letters))


def _clusters_link(found: compared.Compared) -> None:
    """The maps of two runs on the same images are compared on a page of their own."""
    first, second = found.rows[0], found.rows[1]
    done = first["state"] == second["state"] == "done" and first.get("dataset") == second.get("dataset")
    if done and len(found.rows) == 2:
        frame.link(
            "pages/6_Compare.py",
            "Compare their maps and clusters",
            icon="compare",
            run=str(first["id"]),
            beside=str(second["id"]),
        )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}" if value < 10 else f"{value:,.0f}"


def _value(value: Any) -> str:
    if value is None:
        return "—"
    return f"{value:g}" if isinstance(value, float) else str(value)
