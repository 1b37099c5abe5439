"""What the Classes page looks at: runs, a sweep of this store, or a table that somebody brings. In the address."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from pages.ui.classes import words
from pages.ui.kit import choices, frame
from ssrl_core.analysis import bias
from ssrl_core.errors import SpecError

LOOKS = {"run": "Runs", "sweep": "A sweep", "file": "A table"}
_SHOWN, _SEEN, _FILE = "classes-look", "classes-look-address", "classes-file"
_MOST_MB = 200


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
    look = st.segmented_control(
        "Look at",
        list(LOOKS),
        key=_SHOWN,
        format_func=LOOKS.__getitem__,
        required=True,
        label_visibility="collapsed",
        persist_state="session",
    )
    look = str(look or "run")
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
    sweep = choices.from_address("Sweep", list(known), key="sweep", shown=lambda name: _words(known[name]))
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
        raise SpecError(
            where=source.name, field="vary", rule="a parameter with its values", value="nothing",
            remedy="A sweep over seeds alone has no curve: vary a setting of a transformation.",
        )  # fmt: skip
    return choices.from_address("Parameter", names, key="x", shown=parameter_name)


def choose_probe(table: pd.DataFrame) -> str:
    """The probe whose accuracies are shown."""
    names = list(dict.fromkeys(table["probe"].fillna("linear").astype(str))) if "probe" in table else ["linear"]
    return choices.from_address("Probe", names, key="probe", shown=words.probe, help=words.PROBES)


@st.cache_data(max_entries=4, show_spinner="Reading the results")
def _rows(key: str, sweep: str) -> pd.DataFrame:
    from ssrl_core.runs.queue import tables

    return tables.classes_table(sweep)


@st.cache_data(max_entries=4, show_spinner="Reading the table")
def _read(key: str, name: str, _content: bytes) -> pd.DataFrame:
    return bias.read_classes(_content, name)


@st.cache_data(max_entries=16, show_spinner=False)
def _parameters(key: str, _table: pd.DataFrame) -> list[str]:
    return bias.parameters(_table)


def _words(row: dict[str, object]) -> str:
    made = str(row["created_at"] or "")[:10]
    return f"{row['name'] or row['id']} · {made}" if made else str(row["id"])
