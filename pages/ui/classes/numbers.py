"""The numbers behind the views of a sweep, kept while the table does not change; each costs well under a second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import pandas as pd
import streamlit as st

from ssrl_core.analysis import bias
from ssrl_core.analysis.bias.correlation import Rule

T = TypeVar("T")


@dataclass(frozen=True)
class Scene:
    """What the views of a sweep show.

    Attributes:
        table: rows of the chosen probe, `whole` of all probes.
        x: the column that varies, or several. key: changes with everything here.
        sweep: its id, None for a table that was brought.
    """

    table: pd.DataFrame
    whole: pd.DataFrame
    x: str | list[str]
    key: str
    name: str
    sweep: str | None

    def numbers(self, what: str, make: Callable[[], T]) -> T:
        """What `make` gives, kept under the scene's key and `what`."""
        found: T = _kept(f"{self.key} {what}", make)
        return found

    def curves(self) -> Any:
        """`bias.curves` of the classes."""
        return self.numbers("curves", lambda: bias.curves(self.table, self.x))

    def movers(self) -> pd.DataFrame:
        """`bias.movers` of all classes."""
        return self.numbers("movers", lambda: bias.movers(self.table, self.x))

    def opposition(self, points: str = "means") -> Any:
        """`bias.opposition` with the paper's rule."""
        return self.numbers(f"opposition {points}", lambda: bias.opposition(self.table, self.x, Rule(points=points)))

    def behaviours(self, points: str = "means") -> pd.DataFrame:
        """`bias.behaviours`."""
        return self.numbers(f"behaviours {points}", lambda: bias.behaviours(self.table, self.x, points=points))


@st.cache_data(max_entries=64, show_spinner="Counting")
def _kept(key: str, _make: Callable[[], Any]) -> Any:
    return _make()


def settings_of(rows: pd.DataFrame, before: str = "class") -> list[tuple[str, pd.DataFrame]]:
    """(label, rows) of each setting of a table whose first columns, up to `before`, say the setting."""
    from ssrl_core.figures.bias.panels import setting_label

    columns = list(rows.columns[: rows.columns.get_loc(before)])
    differing = [c for c in columns if rows[c].nunique(dropna=False) > 1]
    groups = rows.groupby(columns, sort=False, dropna=False)
    return [(setting_label(part.iloc[0], differing) or str(part.iloc[0]["method"]), part) for _, part in groups]


def choose_setting(rows: pd.DataFrame, key: str, before: str = "class") -> pd.DataFrame:
    """The rows of one setting; asked only where there are several."""
    found = dict(settings_of(rows, before))
    if len(found) == 1:
        return next(iter(found.values()))
    chosen = st.selectbox("Setting", list(found), key=f"classes-setting-{key}", persist_state="session")
    return found[chosen if chosen in found else next(iter(found))]


def same_setting(table: pd.DataFrame, rows: pd.DataFrame, before: str = "class") -> pd.DataFrame:
    """The rows of `table` that are of the setting of `rows`."""
    columns = [c for c in rows.columns[: rows.columns.get_loc(before)] if c in table]
    first = rows.iloc[0]
    kept = pd.Series(True, index=table.index)
    for column in columns:
        kept &= table[column] == first[column]
    return table[kept]
