"""A table of profiles without images (CellProfiler, pycytominer) brought to the page, and what is understood of it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import streamlit as st

from pages.ui.kit import cache, frame
from ssrl_core import access
from ssrl_core.analysis.screens.profiles import SAID_OF, Profiles, profiles_of_table, read_table, told_columns
from ssrl_core.errors import SSRLError

KINDS = ["csv", "tsv", "gz", "parquet"]
AS_FOUND = "as found"
_BROUGHT = "screen-table"


@dataclass(frozen=True)
class Brought:
    """A table that is looked at.

    Attributes:
        name: of its file; wells: its profiles.
    """

    name: str
    wells: Profiles
    cache_key: Hashable


def brought() -> Brought | None:
    """The table that this session looks at."""
    found = st.session_state.get(_BROUGHT)
    return found if isinstance(found, Brought) else None


def forget() -> None:
    """Callback: back to the runs."""
    st.session_state.pop(_BROUGHT, None)


def button() -> None:
    """Opens the dialog; beside a table, the way back to the runs."""
    if brought() is not None:
        st.button("Back to experiments", icon=":material/arrow_back:", key="screen-table-close", on_click=forget)
    elif st.button("Score a table", icon=":material/table_chart:", key="screen-table-open"):
        st.dialog("Score a table of profiles", width="large")(form)()


def form() -> None:
    """Where the table is, what is taken for what (live), then its scores."""
    try:
        source = _source()
        if source is None:
            frame.quiet(
                "Numbers of wells or cells as CellProfiler and pycytominer write them: a row each, columns that say "
                "plate, well and compound (dose and mechanism where they are known), and a column for each feature."
            )
            return
        name, table, key = source
        chosen = _columns(table)
        wells = _profiles(table, tuple(chosen.items()), key)
    except SSRLError as error:
        frame.show_error(error)
        return
    _understood(wells)
    if st.button("Score it", type="primary", key="screen-table-now"):
        st.session_state[_BROUGHT] = Brought(name, wells, (key, tuple(chosen.items())))
        st.rerun()


def _source() -> tuple[str, pd.DataFrame, str] | None:
    """Name, table and what it is known by: a path on this machine, or an uploaded file."""
    told = st.text_input(
        "Table on the machine that runs Viewloom", key="screen-table-path", placeholder="/data/profiles.csv.gz"
    ).strip()
    if told:
        path = Path(told).expanduser()
        access.require_readable(path, "Table")
        known = path.stat() if path.is_file() else None
        stamp = known and (known.st_mtime_ns, known.st_size)
        return path.name, _of_path(str(path), stamp), f"{path}:{stamp}"
    file = st.file_uploader("or from here: .csv, .csv.gz, .tsv or .parquet", type=KINDS, key="screen-table-file")
    if file is None:
        return None
    content = file.getvalue()
    key = hashlib.sha256(content).hexdigest()
    return file.name, _of_bytes(file.name, content, key), key


@cache.kept(spinner="Reading the table")
def _of_path(path: str, stamp: Hashable) -> pd.DataFrame:
    return read_table(Path(path))


@cache.kept(by=lambda name, content, key: (name, key), spinner="Reading the table")
def _of_bytes(name: str, content: bytes, key: str) -> pd.DataFrame:
    return read_table(Path(name), io.BytesIO(content))


def _columns(table: pd.DataFrame) -> dict[str, str]:
    """Which columns say where a row is from, where the names do not or are to be taken otherwise."""
    found, names = told_columns(table), [str(column) for column in table.columns]
    chosen: dict[str, str] = {}
    with st.expander("Which column is what", icon=":material/tune:", expanded=not {"well", "compound"} <= found.keys()):
        cells = st.columns(3)
        for place, what in enumerate(SAID_OF):
            as_found = f"{AS_FOUND} ({found.get(what, 'none')})"
            options = [as_found, *names]
            value = cells[place % 3].selectbox(what.capitalize(), options, key=f"screen-table-{what}")
            if value != as_found:
                chosen[what] = value
    return chosen


@cache.kept(by=lambda table, chosen, key: (chosen, key), spinner="Putting rows of a well together")
def _profiles(table: pd.DataFrame, chosen: tuple[tuple[str, str], ...], key: str) -> Profiles:
    return profiles_of_table(table, columns=dict(chosen))


def _understood(wells: Profiles) -> None:
    """Counts, and what was left out or guessed."""
    known = wells.table
    treated = known[~known["untreated"].astype(bool)]
    counts = {
        "wells": len(known),
        "plates": known["plate"].nunique(),
        "untreated wells": len(known) - len(treated),
        "compounds": treated["compound"].nunique(),
        "mechanisms": treated["mechanism"].nunique(),
        "features": wells.x.shape[1],
    }
    st.markdown(", ".join(f"**{count:,}** {name}" for name, count in counts.items()) + ".")
    for said in wells.said:
        frame.quiet(said)


def heading(table: Brought) -> str:
    """Which table is looked at; its name."""
    st.markdown(f"Table **{frame.plain(table.name)}**: numbers only, so there are no cells to show.")
    return table.name
