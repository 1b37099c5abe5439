"""The Classes page for a sweep: which classes win and lose as one parameter moves, and what chance would give."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from pages.ui.classes import behaviours, class_table, opposites
from pages.ui.classes.class_table import ClassTable, settings_of
from pages.ui.kit import cache, choices, frame
from pages.ui.kit.frame import QUIET
from ssrl_core import stores
from ssrl_core.analysis import bias
from ssrl_core.errors import SpecError
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
        how = choices.pick("Classes", CHOICES, key="classes-how")
    with right:
        chosen = _chosen(data, how)
    curves = data.curves()
    frame.finding(_finding(curves.overall, data.movers()))
    figure = class_curves(curves.overall, curves.classes, chosen)
    frame.chart(figure, "class-curves")
    with st.expander("Every class: how much it moves", icon=":material/table_rows:"):
        frame.quiet(
            "Range: highest minus lowest mean over seeds. Change: last minus first value, with 95 % interval. "
            "p: does accuracy differ between values more than between seeds (one-way analysis of variance)?"
        )
        class_table.show_table(_table(data.movers()))


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
    frame.chart(method_spread(rows), "methods")
    frame.quiet("sd_seeds: what seeds alone do; an sd of the means of about sd_seeds / √seeds is noise.")
    columns = ["dataset", "backbone", "method", "mean", "sd", "lowest", "highest", "values", "of", "seeds_low"]
    class_table.show_table(rows[[*columns, "sd_seeds", "reason"]])


LOOKS = {"run": "Runs", "sweep": "A sweep", "file": "A table"}
_SHOWN, _SEEN, _FILE = "classes-look", "classes-look-address", "classes-file"
_MOST_MB = 200
VIEWS: dict[str, tuple[str, Callable[[ClassTable], None]]] = {
    "curves": ("Curves", view),
    "opposites": ("Opposites", opposites.view),
    "behaviours": ("Behaviours", behaviours.view),
    "highest": ("Superclasses", opposites.highest_view),
    "shared": ("Shared", opposites.shared_view),
    "methods": ("Methods", methods_view),
    "trade-off": ("Trade-off", behaviours.trade_view),
    "properties": ("Properties", behaviours.properties_view),
}
CSS = f"""
.vl-progress {{ color: {QUIET}; font-size: .86rem; }}
.vl-finding {{ font-size: 1.06rem; line-height: 1.5; margin: 0; max-width: 120ch; }}
.vl-finding span {{ color: {QUIET}; font-size: .86rem; }}
"""


@dataclass(frozen=True)
class Source:
    """A classes table and where it is from.

    Attributes:
        key: changes whenever the table does; numbers are kept under it.
        sweep: id of the sweep, None for a file.
        progress: runs by state (sweep only).
    """

    key: str
    name: str
    table: pd.DataFrame
    sweep: str | None = None
    progress: tuple[tuple[str, int], ...] = ()


def choose_look() -> str:
    """`run`, `sweep` or `file`; an address with `sweep` or `run` in it decides when it is followed."""
    asked = next((name for name in ("sweep", "run") if name in st.query_params), None)
    if asked and asked != st.session_state.get(_SEEN):
        st.session_state[_SHOWN] = asked
    st.session_state.setdefault(_SHOWN, "run")
    look = choices.pick("Look at", LOOKS, key=_SHOWN, first=None, label_visibility="collapsed")
    for other in ("sweep", "run", "beside"):
        if other in st.query_params and not (look == other or (look, other) == ("run", "beside")):
            del st.query_params[other]
    st.session_state[_SEEN] = look
    return look


def choose_sweep() -> Source:
    """The chosen sweep with the results that are there by now.

    Without a sweep the page shows an empty state and stops.
    """
    from ssrl_core.runs.queue import tables

    known = {str(row["id"]): row for row in tables.known_sweeps()}
    if not known:
        frame.empty(
            "No sweeps yet.", drawing="loom", button="Start one", page="pages/3_Train.py", icon="model_training"
        )
    sweep = choices.from_address("Sweep", list(known), key="sweep", shown=lambda name: _sweep_words(known[name]))
    progress = tables.sweep_progress(sweep)
    key = f"{sweep} {sorted(progress.items())}"
    return Source(key, sweep, _rows(key, sweep), sweep, tuple(progress.items()))


def bring_file() -> Source | None:
    """The table that was brought in this session; None before one is.

    Raises:
        DataError: it is no classes table.
    """
    brought = st.file_uploader(
        "Classes table",
        type=["csv", "tsv", "parquet"],
        key="classes-upload",
        max_upload_size=_MOST_MB,
        help="One row for each class of every run: dataset, backbone, method, seed, vary.PARAMETER, probe, class, "
        "superclass, n, correct, accuracy; see docs/classes.md. "
        "`python -m ssrl_core runs table SWEEP --classes --out FILE` writes that of a sweep.",
    )
    if brought is not None:
        st.session_state[_FILE] = (brought.name, brought.getvalue())
    if _FILE not in st.session_state:
        return None
    name, content = st.session_state[_FILE]
    key = hashlib.sha256(content).hexdigest()[:16]
    return Source(key, name, _read(key, name, content))


def choose_parameter(source: Source) -> str:
    """The column that varies.

    Raises:
        SpecError: nothing varies in this table.
    """
    from ssrl_core.figures.bias.panels import parameter_name

    names = _parameters(source.key, source.table)
    if not names:
        raise SpecError.at(
            source.name,
            "vary",
            "a parameter with its values",
            "nothing",
            "A sweep over seeds alone has no curve: vary a setting of a transformation.",
        )
    return choices.from_address("Parameter", names, key="x", shown=parameter_name)


def choose_probe_of_table(table: pd.DataFrame) -> str:
    """The probe whose accuracies are shown."""
    names = list(dict.fromkeys(table["probe"].fillna("linear").astype(str))) if "probe" in table else ["linear"]
    return choices.from_address(
        "Probe", names, key="probe", shown=class_table.probe_words, help=class_table.ABOUT_PROBES
    )


@cache.kept(spinner="Reading the results")
def _rows(key: str, sweep: str) -> pd.DataFrame:
    from ssrl_core.runs.queue import tables

    return tables.classes_table(sweep)


@cache.kept(by=lambda key, name, content: key, spinner="Reading the table")
def _read(key: str, name: str, content: bytes) -> pd.DataFrame:
    return bias.read_classes(content, name)


@cache.kept(by=lambda key, table: key)
def _parameters(key: str, table: pd.DataFrame) -> list[str]:
    return list(bias.parameters(table))


def _sweep_words(row: dict[str, object]) -> str:
    made = str(row["created_at"] or "")[:10]
    return f"{row['name'] or row['id']} · {made}" if made else str(row["id"])


def page(place: Any, look: str) -> None:
    """Everything under the heading, for a sweep of this store or a table that was brought."""
    with frame.guard():
        source = _source(look)
        if source is None:
            frame.empty("Bring a table of class accuracies: one row for each class of every run.", stop=False)
            return
        _progress(source)
        if source.table.empty:
            frame.empty("No run of this sweep has results yet. They appear here as they come.", stop=False)
            return
        data = _scene(source)
        view = _choose_view()
        sentence(data)
        VIEWS[view][1](data)
        class_table.all_reasons(data)
        with place:
            st.download_button(
                "Table",
                lambda: stores.csv_text(source.table).encode(),  # made when asked for: a fifth of a second
                f"{source.name}-classes.csv",
                "text/csv",
                icon=":material/download:",
                type="primary",
                on_click="ignore",
            )


def _source(look: str) -> Source | None:
    if look == "file":
        return bring_file()
    return choose_sweep()


def _scene(source: Source) -> ClassTable:
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        x = choose_parameter(source)
    with right:
        probe = choose_probe_of_table(source.table)
    whole = source.table
    rows = whole[whole["probe"].fillna("linear").astype(str) == probe] if "probe" in whole else whole
    return ClassTable(rows, whole, x, f"{source.key} {x} {probe}", source.name, source.sweep)


def _choose_view() -> str:
    asked = st.query_params.get("view")
    if "classes-view" not in st.session_state:
        st.session_state["classes-view"] = asked if asked in VIEWS else "curves"
    words = {name: title for name, (title, _) in VIEWS.items()}
    view = choices.pick("View", words, key="classes-view", first=None, label_visibility="collapsed")
    if st.query_params.get("view") != view:
        st.query_params["view"] = view
    return view


def _progress(source: Source) -> None:
    """How many runs are there, where not all are."""
    states = dict(source.progress)
    total = sum(states.values())
    if not total or states.get("done") == total:
        return
    rest = ", ".join(f"{n} {state}" for state, n in states.items() if state != "done")
    done = states.get("done", 0)
    words = html.escape(f"{done} of {total} runs are done ({rest}); all numbers below come from these.")
    st.html(f'<div class="vl-progress">{frame.progress_bar(done / total)}{words}</div>')
    if source.sweep is not None:
        _follow(source.sweep, states)


@st.fragment(run_every=5.0)
def _follow(sweep: str, shown: dict[str, int]) -> None:
    """Draw the page again as soon as a run of the sweep has ended or started."""
    from ssrl_core.runs.queue import tables

    if tables.sweep_progress(sweep) != shown:
        st.rerun()
