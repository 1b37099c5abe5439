"""The list of all runs: search it, choose some, open, compare, stop, resume or delete them."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.ui.kit import frame
from pages.ui.runs import listing, sweeps
from pages.ui.train import actions, compare, head
from ssrl_core.runs.queue import finding
from ssrl_core.specs.parts import columns

LIVE_S = 4.0
_DRAWN, _NUMBER, _FIND = "train-list-drawn", "train-list-number", "train-list-find"
_CHOSEN = actions.CHOSEN
_HEIGHT = 620
_WHOLE = 16  # rows that are shown without scrolling


def view() -> None:
    """The list, which follows by itself while runs are under way."""
    rows = frame.known_runs()
    if not rows:
        frame.empty("No runs yet. What you queue shows up here.", stop=False)
        return
    live = any(row["state"] in frame.ACTIVE for row in rows)
    head.opened("All runs", _back, _body, every_s=LIVE_S if live else None)


def _back() -> None:
    st.button("Close", icon=":material/close:", key="train-list-close", on_click=actions.close_run)


def _body() -> None:
    rows = listing.with_values(frame.known_runs(), sweeps.values_by_run())
    with st.container(horizontal=True, vertical_alignment="center"):
        text, states = _text(), _states()
    shown = finding.chosen(rows, text, states)
    _number(shown)
    _choice(rows)
    if not shown:
        frame.quiet("No run is like that. Take words or states out of the search.")
        return
    st.dataframe(
        listing.table(shown),
        hide_index=True,
        height="content" if len(shown) <= _WHOLE else _HEIGHT,
        key=_widget(),
        on_select=_take,
        selection_mode="multi-row",
        column_config=_columns(),
    )
    frame.quiet(f"{_standing(shown)} Tick a row to open it, several to compare them.")


def _standing(shown: list[dict[str, Any]]) -> str:
    counts = [f"{listing.STATES[state].lower()} {count:,}" for state, count in listing.counted(shown).items()]
    return f"{len(shown):,} runs: {', '.join(counts)}."


def _text() -> str:
    """What is sought; in the address as `find`, so that a search can be kept."""
    if _FIND not in st.session_state:
        st.session_state[_FIND] = st.query_params.get("find", "")
    text = st.text_input(
        "Search",
        key=_FIND,
        on_change=_forget,
        placeholder="Search: simclr resnet18 seed:5",
        label_visibility="collapsed",
        width=420,
        icon=":material/search:",
        help="Every word must be in the run's name, id, image set, method, network, composition, sweep, tags or reason",
    )
    if text:
        st.query_params["find"] = text
    else:
        st.query_params.pop("find", None)
    return str(text)


def _states() -> list[str]:
    """States that are shown; none chosen means all of them."""
    return list(
        st.pills(
            "State",
            list(listing.STATES),
            selection_mode="multi",
            key="train-list-states",
            on_change=_forget,
            label_visibility="collapsed",
            format_func=listing.STATES.__getitem__,
        )
        or []
    )


def _choice(rows: list[dict[str, Any]]) -> None:
    """What can be done with the runs that are ticked; the room is there before, so that nothing shifts."""
    known = {str(row["id"]): row for row in rows}
    ids = [run_id for run_id in st.session_state.get(_CHOSEN, []) if run_id in known]
    own = [run_id for run_id in ids if not known[run_id].get("demo")]
    states = {known[run_id]["state"] for run_id in own}
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html(f'<p class="vl-quiet" style="margin:0;min-width:6.5rem">{len(ids):,} chosen</p>')
        _button("Open", "open_in_new", actions.open_run, ids[0] if ids else "", on=len(ids) == 1)
        _button("Compare", "compare", actions.compare, ids, on=2 <= len(ids) <= compare.MOST)
        _button("First", "vertical_align_top", actions.first, own, on="queued" in states)
        _button("Stop", "stop_circle", actions.stop_all, own, on=bool(states & {*frame.ACTIVE}))
        _button("Resume", "resume", actions.resume_all, own, on=bool(states & {"failed", "stopped"}))
        with st.popover("Delete", icon=":material/delete:", disabled=not own, key="train-list-delete"):
            st.caption(f"{len(own):,} runs go with their folders; those that run are stopped first. No way back.")
            st.button(
                f"Delete {len(own):,} runs",
                type="primary",
                key="train-sheet-delete-yes",
                on_click=actions.delete_all,
                args=(own,),
            )


def _button(label: str, icon: str, action: Any, wanted: Any, *, on: bool) -> None:
    key = f"train-list-{label.lower()}"
    st.button(label, icon=f":material/{icon}:", key=key, disabled=not on, on_click=action, args=(wanted,))


def _number(shown: list[dict[str, Any]]) -> None:
    """A table of other runs is another table: ticks count rows, and must never come to mean other runs.

    What was ticked in the table before is chosen no more, so that nothing is deleted that shows no tick.
    """
    ids = [str(row["id"]) for row in shown]
    if ids != st.session_state.get(_DRAWN):
        if _DRAWN in st.session_state:
            st.session_state[_CHOSEN] = []
        st.session_state[_DRAWN] = ids
        st.session_state[_NUMBER] = st.session_state.get(_NUMBER, 0) + 1


def _widget() -> str:
    return f"train-list-table-{st.session_state[_NUMBER]}"


def _forget() -> None:
    """Another search shows another table, without ticks, even if the same runs are in it."""
    st.session_state[_CHOSEN] = []
    st.session_state[_DRAWN] = None


def _take() -> None:
    """Ticks become ids, by the rows that were drawn when they were made."""
    drawn = st.session_state[_DRAWN]
    ticked = st.session_state[_widget()]["selection"]["rows"]
    st.session_state[_CHOSEN] = [drawn[row] for row in ticked if row < len(drawn)]


def _columns() -> dict[str, Any]:
    column = st.column_config
    return {
        "State": column.TextColumn(width=80),
        "Run": column.TextColumn(width="medium"),
        "Values": column.TextColumn(width="medium", help="What makes it different from the other runs of its sweep"),
        **{one.title: column.NumberColumn(format="%.3f", help=one.sentence) for _, one in columns(listed=True)},
        "Progress": column.ProgressColumn(min_value=0, max_value=1, format="percent", width=110),
        "Queued": column.DatetimeColumn(format="MMM D, HH:mm"),
        "Took": column.NumberColumn("Took (s)", format="%.0f"),
    }
