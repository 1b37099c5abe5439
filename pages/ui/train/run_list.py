"""The list of all runs: search it, choose some, open, stop, resume or delete them; and runs beside each other."""

from __future__ import annotations

import html
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from pages.ui.kit import frame
from pages.ui.kit.frame import LINE, QUIET
from pages.ui.runs import choosing
from pages.ui.train import actions
from pages.ui.train.sheet import opened
from ssrl_core.errors import SSRLError
from ssrl_core.runs.queue import run_names
from ssrl_core.runs.queue import tables as queue_tables
from ssrl_core.runs.queue.registry import RunRow, verdict_of
from ssrl_core.runs.queue.run_names import shown_state
from ssrl_core.specs.parts import columns

# the state as people see it -> what the list calls it, in the order of its filter
STATES = {
    "running": "Running",
    "lost": "Lost",
    "queued": "Waiting",
    "done": "Done",
    "failed": "Failed",
    "stopped": "Stopped",
}


def counted(rows: Sequence[RunRow]) -> dict[str, int]:
    """Runs in each state, those that there are, in the order of `STATES`."""
    found = Counter(map(shown_state, rows))
    return {state: found[state] for state in STATES if found[state]}


def with_values(rows: Sequence[RunRow], values: Mapping[str, str]) -> list[RunRow]:
    """Rows that say as `values` what makes a run of a sweep different from its siblings.

    Args:
        values: run id -> its values in words.
    """
    return [row | {"values": values.get(str(row["id"]))} for row in rows]


def table(rows: Sequence[RunRow]) -> pd.DataFrame:
    """One row a run: State, Run, Values, Seed, kNN, AMI, Verdict, Progress, Sweep, Queued (local time), Took (s), Why.

    Columns that would be empty are left out.
    """
    frame = pd.DataFrame(
        {
            "State": [STATES[shown_state(row)] for row in rows],
            "Run": run_names.each_in_words(rows),
            "Values": [row.get("values") or "" for row in rows],
            "Seed": pd.array([row.get("seed") for row in rows], dtype="Int64"),
            **{column.title: _numbers(rows, column.name) for _, column in columns(listed=True)},
            "Verdict": [verdict_of(row) for row in rows],
            "Progress": _numbers(rows, "progress"),
            "Sweep": [row.get("sweep_id") or "" for row in rows],
            "Queued": _times(rows, "queued_at"),
            "Took": _took(rows),
            "Why": [row.get("reason") or row.get("waits_for") or "" for row in rows],
        }
    )
    empty = [name for name, column in frame.items() if not (column.notna() & (column != "")).any()]
    return frame.drop(columns=empty)


def _numbers(rows: Sequence[RunRow], name: str) -> pd.Series:
    return pd.Series([row.get(name) for row in rows], dtype="float64")


def _took(rows: Sequence[RunRow]) -> pd.Series:
    seconds = (_times(rows, "finished_at") - _times(rows, "started_at")).dt.total_seconds()
    return seconds.where(seconds >= 0)  # else the clock was set back meanwhile


def _times(rows: Sequence[RunRow], name: str) -> pd.Series:
    moments = pd.Series([row.get(name) for row in rows], dtype="object")
    return pd.to_datetime(moments, utc=True, format="ISO8601").dt.tz_convert(datetime.now().astimezone().tzinfo)


@dataclass(frozen=True)
class Compared:
    """Runs to compare.

    Attributes:
        rows: of the registry, in the order asked for; letters A, B, C … stand for them.
        gone: ids that no run has.
    """

    rows: list[RunRow]
    gone: list[str]

    @property
    def letters(self) -> str:
        """One letter a run."""
        return string.ascii_uppercase[: len(self.rows)]

    @property
    def ids(self) -> list[str]:
        """Their ids."""
        return [str(row["id"]) for row in self.rows]

    @property
    def is_live(self) -> bool:
        """Whether one of them waits or runs."""
        return any(row["state"] in frame.ACTIVE for row in self.rows)


def compared(ids: list[str], most: int) -> Compared:
    """The runs of these ids, each once, at most so many."""
    known = {str(row["id"]): row for row in frame.known_runs()}
    wanted = list(dict.fromkeys(ids))
    return Compared([known[name] for name in wanted if name in known][:most], [n for n in wanted if n not in known])


def curves(found: Compared) -> pd.DataFrame:
    """Loss and kNN of each: columns run, group (its letter), epoch, loss, knn_top1."""
    from ssrl_core.runs.folder.run_folder import RunFolder

    frames = []
    for letter, run_id in zip(found.letters, found.ids, strict=True):
        metrics = RunFolder(run_id).metrics()
        if not metrics.empty:
            frames.append(metrics[["epoch", "loss", "knn_top1"]].assign(run=run_id, group=letter))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def scores(found: Compared) -> dict[str, list[float | None]]:
    """What was measured -> its value for each run; only what one of them has."""
    from ssrl_core.runs.folder.results import Results
    from ssrl_core.runs.folder.run_folder import RunFolder

    results = []
    for run_id in found.ids:
        try:
            results.append(RunFolder(run_id).results())
        except SSRLError:
            results.append(Results())  # a damaged file: its sheet says so
    numbers = [one.columns() for one in results]
    table = {c.title: [one[c.name] for one in numbers] for part, c in columns() if part.takes != "list"}
    table["kNN of views"] = [one.view.knn for one in results]
    table["AMI of views"] = [one.view.ami for one in results]
    table["training, s"] = [one.seconds.get("train") for one in results]
    for k in dict.fromkeys(k for one in results for k in one.counts):
        table[f"AMI, K = {k}"] = [one.clusters[k].ami if k in one.clusters else None for one in results]
    return {name: values for name, values in table.items() if any(value is not None for value in values)}


LIVE_S = 4.0
MOST = queue_tables.MOST_COMPARED
_DRAWN, _NUMBER, _FIND = "train-list-drawn", "train-list-number", "train-list-find"
_CHOSEN = actions.CHOSEN
_HEIGHT = 620
_WHOLE = 16  # rows that are shown without scrolling

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


def every_run() -> None:
    """The list, which follows by itself while runs are under way."""
    rows = frame.known_runs()
    if not rows:
        frame.empty("No runs yet. What you queue shows up here.", stop=False)
        return
    live = any(row["state"] in frame.ACTIVE for row in rows)
    opened("All runs", _back, _body, every_s=LIVE_S if live else None)


def _back() -> None:
    frame.action("Close", "close", actions.close_run, key="train-list-close")


def _body() -> None:
    rows = with_values(frame.known_runs(), choosing.values_by_run())
    with st.container(horizontal=True, vertical_alignment="center"):
        text, states = _text(), _states()
    shown = run_names.chosen(rows, text, states)
    _number(shown)
    _choice(rows)
    if not shown:
        frame.quiet("No run matches. Search for fewer words, or other states.")
        return
    st.dataframe(
        table(shown),
        hide_index=True,
        placeholder="",
        height="content" if len(shown) <= _WHOLE else _HEIGHT,
        key=_widget(),
        on_select=_take,
        selection_mode="multi-row",
        column_config=_columns(),
    )
    choosing.say_torn(str(row.get("dataset")) for row in shown)
    frame.quiet(f"{_standing(shown)} Tick a row to open it, several to compare them.")


def _standing(shown: list[RunRow]) -> str:
    counts = [f"{count:,} {STATES[state].lower()}" for state, count in counted(shown).items()]
    return f"{frame.count(len(shown), 'run')}: {', '.join(counts)}."


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
            list(STATES),
            selection_mode="multi",
            key="train-list-states",
            on_change=_forget,
            label_visibility="collapsed",
            format_func=STATES.__getitem__,
        )
        or []
    )


def _choice(rows: list[RunRow]) -> None:
    """What can be done with the runs that are ticked; the room is there before, so that nothing shifts."""
    known = {str(row["id"]): row for row in rows}
    ids = [run_id for run_id in st.session_state.get(_CHOSEN, []) if run_id in known]
    own = [run_id for run_id in ids if not known[run_id].get("demo")]
    states = {known[run_id]["state"] for run_id in own}
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html(f'<p class="vl-quiet" style="margin:0;min-width:6.5rem">{len(ids):,} chosen</p>')
        _button("Open", "open_in_new", actions.open_run, ids[0] if ids else "", on=len(ids) == 1)
        _button("Compare", "compare", actions.compare, ids, on=2 <= len(ids) <= MOST)
        _button("First", "vertical_align_top", actions.first, own, on="queued" in states)
        _button("Stop", "stop_circle", actions.stop_all, own, on=bool(states & {*frame.ACTIVE}))
        _button("Resume", "resume", actions.resume_all, own, on=bool(states & {"failed", "stopped"}))
        with st.popover("Delete", icon=":material/delete:", disabled=not own, key="train-list-delete"):
            st.caption(
                f"{frame.count(len(own), 'run')} will be deleted with all results, and stopped first where needed. "
                "This cannot be undone."
            )
            st.button(
                f"Delete {frame.count(len(own), 'run')}",
                type="primary",
                key="train-sheet-delete-yes",
                on_click=actions.delete_all,
                args=(own,),
            )


def _button(label: str, icon: str, action: Any, wanted: Any, *, on: bool) -> None:
    key = f"train-list-{label.lower()}"
    frame.action(label, icon, action, wanted, key=key, disabled=not on)


def _number(shown: list[RunRow]) -> None:
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
        "Verdict": column.TextColumn(width="large", help="Beside raw pixels and the untrained network"),
        "Progress": column.ProgressColumn(min_value=0, max_value=1, format="percent", width=110),
        "Queued": column.DatetimeColumn(format="MMM D, HH:mm"),
        "Took": column.NumberColumn("Took (s)", format="%.0f"),
    }


def compared_runs(text: str) -> None:
    """Runs beside each other.

    Args:
        text: their ids with commas between, as the address has them.
    """
    found = compared([part.strip() for part in text.split(",") if part.strip()], MOST)
    for run_id in found.gone:
        frame.quiet(f"There is no run “{run_id}” here; it may have been deleted.")
    if len(found.rows) < 2:
        frame.empty("Comparing takes two runs or more. Tick them in the list of all runs.", stop=False)
        frame.action("All runs", "list", actions.open_list, key="train-compare-list")
        return
    title = f"{len(found.rows)} runs compared"
    opened(title, _buttons, _compared_body, found.ids, every_s=LIVE_S if found.is_live else None)


def _buttons() -> None:
    frame.action("All runs", "list", actions.open_list, key="train-compare-list")


def _compared_body(ids: list[str]) -> None:
    found = compared(ids, MOST)
    if len(found.rows) < 2:
        st.rerun()  # one of them was deleted meanwhile
    with frame.guard():
        st.html(who_html(found))
        _curves(found)
        frame.section("What was measured")
        measured = scores(found)
        if measured:
            shown = {name: [_score(value) for value in values] for name, values in measured.items()}
            st.html(table_html(shown, found.letters))
            choosing.say_torn(str(row.get("dataset")) for row in found.rows)
        else:
            frame.quiet("Nothing yet.")
        frame.section("Where their settings differ")
        _differences(found)
        _clusters_link(found)


def who_html(found: Compared) -> str:
    """Which run each letter stands for, in its colour; a click opens it."""
    from pages.ui.train.queue import under_html
    from ssrl_core.figures.style import palette

    lines = []
    for letter, colour, row in zip(found.letters, palette(len(found.rows)), found.rows, strict=True):
        name, run_id = html.escape(run_names.words(row)), html.escape(str(row["id"]))
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


def _curves(found: Compared) -> None:
    from ssrl_core.figures.curves import sweep_curves

    figures = sweep_curves(curves(found), by="run")
    if not figures:
        frame.quiet("There are no curves yet; they begin with the first steps.")
        return
    for column, (name, figure) in zip(st.columns(len(figures)), figures.items(), strict=True):
        with column:
            frame.chart(figure, f"train-compare-{name}")


def _differences(found: Compared) -> None:
    differ = queue_tables.spec_differences(found.ids)
    if not differ:
        frame.quiet("In nothing: they are the same spec.")
        return
    st.html(table_html({path: [_value(one) for one in values] for path, values in differ.items()}, found.letters))


def _clusters_link(found: Compared) -> None:
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


def _score(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}" if value < 10 else f"{value:,.0f}"


def _value(value: Any) -> str:
    if value is None:
        return "—"
    return f"{value:g}" if isinstance(value, float) else str(value)
