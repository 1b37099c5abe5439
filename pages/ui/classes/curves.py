"""Figure 1 for any sweep: overall accuracy and that of chosen classes against the parameter."""

from __future__ import annotations

import html

import pandas as pd
import streamlit as st

from pages.ui.classes import class_table
from pages.ui.classes.class_table import ClassTable, settings_of
from pages.ui.kit import frame
from ssrl_core.analysis import bias
from ssrl_core.figures.bias import class_curves, method_spread

CHOICES = {"move": "those that move most", "opposed": "the most opposed", "own": "my choice"}
_SENTENCES = 3


def sentence(data: ClassTable) -> None:
    """Winners and losers by name, for each setting; never which value is better."""
    found = settings_of(data.movers())
    lines = []
    for label, rows in found[:_SENTENCES]:
        said = html.escape(bias.winners_and_losers(rows))
        lines.append(f'<p class="vl-finding">{said} <span>{html.escape(label)}</span></p>')
    if len(found) > _SENTENCES:
        lines.append(f'<p class="vl-quiet">and {len(found) - _SENTENCES} more settings below</p>')
    st.html("".join(lines))


def view(data: ClassTable) -> None:
    """Small multiples, one panel a setting."""
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    with left:
        how = _how()
    with right:
        chosen = _chosen(data, how)
    curves = data.curves()
    frame.finding(_finding(curves.overall, data.movers()))
    figure = class_curves(curves.overall, curves.classes, chosen)
    st.plotly_chart(figure, key="class-curves", config=class_table.PLAIN)
    with st.expander("Every class: how much it moves", icon=":material/table_rows:"):
        frame.quiet(
            "Range: highest minus lowest mean over seeds. Change: last minus first value, with 95 % interval. "
            "p: does accuracy differ between values more than between seeds (one-way analysis of variance)?"
        )
        class_table.show_table(_table(data.movers()))


def _how() -> str:
    chosen = st.segmented_control(
        "Classes", list(CHOICES), key="classes-how", default="move", format_func=CHOICES.__getitem__, required=True,
        persist_state="session",
    )  # fmt: skip
    return str(chosen or "move")


def _chosen(data: ClassTable, how: str) -> list[str]:
    moved = data.movers()
    if how == "own":
        names = sorted(set(moved["class"]))
        default = list(dict.fromkeys(moved["class"]))[:2]
        return list(
            st.multiselect(
                "Names", names, default=default, key="classes-own", max_selections=8, label_visibility="collapsed"
            )
        )
    if how == "opposed":
        pairs = bias.most_opposed(data.opposition().pairs, 2)
        if pairs.empty:
            frame.quiet("No two classes are opposite here.")
            return []
        frame.quiet("; ".join(_pair(row) for _, row in pairs.head(2).iterrows()))
        return list(dict.fromkeys(pairs[["first", "second"]].to_numpy().ravel()))[:4]
    return list(bias.furthest(moved))


def _pair(row: pd.Series) -> str:
    return (
        f"{row['first']} against {row['second']}: r = {row['pearson']:.2f}, p = {row['pearson_p']:.2g}, n = {row['n']}"
    )


def _finding(overall: pd.DataFrame, moved: pd.DataFrame) -> str:
    """`Overall accuracy moves by 0.8 points, caterpillar by 9.1`."""
    spans = [float(rows["accuracy"].max() - rows["accuracy"].min()) for _, rows in settings_of(overall, "x")]
    spans = [span for span in spans if span == span]
    top = moved[moved["range"].notna()].sort_values("range", ascending=False, kind="stable")
    if not spans or top.empty:
        return ""
    row = top.iloc[0]
    return (
        f"Overall accuracy moves by at most {100 * max(spans):.1f} points, {row['class']} by {100 * row['range']:.1f}"
    )


def _table(moved: pd.DataFrame) -> pd.DataFrame:
    columns = ["method", "backbone", "class", "superclass", "range", "lowest_at", "highest_at", "change", "low", "high"]
    columns += ["p", "eta2", "n"]
    return moved[columns]


def methods_view(data: ClassTable) -> None:
    """Mean and sd over the values of the means over seeds."""
    rows = data.numbers("methods", lambda: bias.method_summary(data.table, data.x))
    widest = rows["sd"].max()
    title = f"The mean over seeds moves by sd {100 * widest:.2f} points at most" if widest == widest else "One value"
    frame.finding(title)
    st.plotly_chart(method_spread(rows), key="methods", config=class_table.PLAIN)
    frame.quiet("sd_seeds: what seeds alone do; an sd of the means of about sd_seeds / √seeds is noise.")
    columns = ["dataset", "backbone", "method", "mean", "sd", "lowest", "highest", "values", "of", "seeds_low"]
    class_table.show_table(rows[[*columns, "sd_seeds", "reason"]])
