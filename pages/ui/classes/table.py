"""Tables and findings on the Classes page: three significant digits, titles that wrap on a narrow screen."""

from __future__ import annotations

import html

import pandas as pd
import streamlit as st


def finding(sentence: str) -> None:
    """The finding of the figure below: outside of it, as a title in a figure does not wrap."""
    if sentence:
        st.html(f'<p class="vl-finding"><b>{html.escape(sentence)}</b></p>')


def show(rows: pd.DataFrame, *, height: int | None = None) -> None:
    """A table without its index; floats with three digits, mixed columns as text."""
    shown = rows.copy()
    config = {}
    for column in shown.columns:
        if pd.api.types.is_float_dtype(shown[column]):
            config[column] = st.column_config.NumberColumn(format="%.3g")
        elif shown[column].dtype == object:
            shown[column] = shown[column].map(_text)
    more = {} if height is None else {"height": height}
    st.dataframe(shown, hide_index=True, column_config=config, **more)


def differing(rows: pd.DataFrame, before: str) -> pd.DataFrame:
    """The rows without those columns before one that say the same in every row: they only push the numbers aside."""
    settings = list(rows.columns[: rows.columns.get_loc(before)])
    return rows.drop(columns=[name for name in settings if rows[name].nunique(dropna=False) == 1 and len(rows) > 1])


def _text(value: object) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)
