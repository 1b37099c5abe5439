"""A table of class accuracies under the page's choices: its numbers, and what every view of it shares.

Numbers are kept while the table does not change; each costs well under a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import pandas as pd
import streamlit as st

from pages.ui.kit import cache, choices, frame
from ssrl_core.analysis import bias
from ssrl_core.analysis.bias.correlation import Rule

T = TypeVar("T")
POINTS = {"means": "Mean over seeds", "runs": "Every run"}
CORRECTION = {"plain": "Uncorrected", "fdr": "False discoveries corrected"}
LEVELS = {"superclasses": "Superclasses", "classes": "Classes"}
ABOUT_PROBES = (
    "Linear: a logistic regression on the frozen embedding. kNN: a vote of the nearest training images. "
    "Fine-tuned: the whole network was trained on with so many of the labels, to see whether the bias goes."
)
_SHOWN = ("method", "class", "value", "reason")
_KINDS = {
    "no_value": "rows without a value",
    "missing_runs": "missing runs",
    "few_values": "too few values",
    "one_value": "settings with one value",
    "one_seed": "one seed",
    "repeated": "runs made twice",
    "missing_class": "missing rows of classes",
    "no_images": "classes without images",
    "no_accuracy": "no accuracy",
    "constant": "constant accuracy",
    "few_points": "too few points",
    "counts_differ": "counts that differ",
    "no_superclass": "classes without a superclass",
    "names": "values that are names",
    "axis": "how the values are read",
    "moves_along": "what moves along",
}
_MOST_KINDS = 4


@dataclass(frozen=True)
class ClassTable:
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
        """What `make` gives, kept under the table's key and `what`."""
        found: T = _numbers(f"{self.key} {what}", make)
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


@cache.kept(by=lambda key, make: key, spinner="Counting", least=16)
def _numbers(key: str, make: Callable[[], Any]) -> Any:
    return make()


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


def probe_words(name: str) -> str:
    """A probe as one reads it: `Linear`, `kNN`, `Fine-tuned, 1 %`; another table's own name stays."""
    kind, _, share = name.partition("-")
    if kind == "finetune" and share:
        try:
            return f"Fine-tuned, {100 * float(share):.3g} %"
        except ValueError:
            return name
    return {"linear": "Linear", "knn": "kNN"}.get(name, name)


def points(difference: float) -> str:
    """A difference of accuracies as percentage points with its sign."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def quoted(name: str) -> str:
    """A user's name in italics, its signs of Markdown disarmed."""
    return f"*{frame.plain(str(name))}*"


def show_table(rows: pd.DataFrame) -> None:
    """A table without its index; floats with three digits, mixed columns as text."""
    shown = rows.copy()
    config: dict[str, Any] = {}
    for column in shown.columns:
        if pd.api.types.is_float_dtype(shown[column]):
            config[column] = st.column_config.NumberColumn(format="%.3g")
        elif shown[column].dtype == object:
            shown[column] = shown[column].map(_text)
    st.dataframe(shown, hide_index=True, column_config=config)


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


def all_reasons(data: ClassTable) -> None:
    """The reasons of every view, and the definitions."""
    reasons = _reasons(data)
    if len(reasons):
        with st.expander(f"Missing or undefined ({len(reasons)}): {_kinds(reasons)}", icon=":material/info:"):
            show_table(reasons[[name for name in _SHOWN if name in reasons]])
    with st.expander("What each number means", icon=":material/menu_book:"):
        st.markdown("\n".join(f"- **{name.replace('_', ' ')}**: {text}" for name, text in bias.DEFINITIONS.items()))


def more_reasons(data: ClassTable, *tables: pd.DataFrame) -> None:
    """The reasons that a view has besides those that every view has."""
    found = pd.concat([part for part in tables if len(part)] or [pd.DataFrame()], ignore_index=True)
    if found.empty:
        return
    more = found[~found["reason"].isin(set(_reasons(data)["reason"]))].drop_duplicates(ignore_index=True)
    if len(more):
        with st.expander(f"Missing or undefined here ({len(more)}): {_kinds(more)}", icon=":material/info:"):
            show_table(more[[name for name in _SHOWN if name in more]])


def _reasons(data: ClassTable) -> pd.DataFrame:
    parts = [data.opposition().reasons, data.curves().reasons]
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True).drop_duplicates(
        ignore_index=True
    )


def _kinds(reasons: pd.DataFrame) -> str:
    """What kinds of reasons there are, so that they are read without unfolding."""
    there = set(reasons["kind"])
    names = [text for kind, text in _KINDS.items() if kind in there]
    names += ["others"] if there - set(_KINDS) else []
    return ", ".join(names[:_MOST_KINDS]) + (" …" if len(names) > _MOST_KINDS else "")


def pick(label: str, options: dict[str, str], key: str) -> str:
    """One of a few options; the first where nothing was chosen yet."""
    return choices.pick(label, options, key=f"classes-{key}")
