"""Tables of numbers on the Classes page: three significant digits, so that a small p is not shown as 0."""

from __future__ import annotations

import pandas as pd
import streamlit as st


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


def _text(value: object) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)
