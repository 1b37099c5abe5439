"""Choosing a run, of ten thousand too: the newest in a list, all others by a search, only those that can be used."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

import streamlit as st

from pages.ui.kit import choices, frame
from pages.ui.runs import sweeps
from ssrl_core import stores
from ssrl_core.datasets.kinds import of_cells
from ssrl_core.datasets.store import torn_words
from ssrl_core.runs import example
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import run_names
from ssrl_core.runs.queue.registry import RunRow, number_of
from ssrl_core.specs.parts import columns

Row = RunRow

MOST = 50  # in the list that unfolds
_FOUND = 8  # of a search


def has_embedding(row: Row) -> bool:
    """Whether a run can be looked at: its embedding was kept."""
    run_id = str(row["id"])
    folder = RunFolder(run_id).path if row.get("demo") else stores.runs_root() / run_id
    return (folder / "embedding.npy").is_file()


def trained(state: str | None = "done") -> list[Row]:
    """Runs that were trained, newest first, in this state; None takes every state."""
    runs = [run for run in frame.known_runs() if run.get("kind", "train") == "train"]
    return [run for run in runs if state is None or run.get("state") == state]


def need_a_run() -> None:
    """Where no run is done, the empty state in the middle of the page, which then stops; before columns are made."""
    if not trained():
        _say_none("done")


def _say_none(state: str | None) -> None:
    _until_one_is_there(state)
    sentence = "No finished runs yet." if state == "done" else "No runs yet."
    frame.empty(sentence, drawing="loom", button="Train one", page="pages/3_Train.py", icon="model_training")


def choose_run(
    label: str = "Run",
    *,
    state: str | None = "done",
    key: str = "run",
    default: str | None = None,
    usable: Callable[[Row], bool] | None = None,
    doubts: bool = True,
    **where: str,
) -> str:
    """Id of the chosen run.

    Args:
        state: only runs in this state; None takes every state.
        usable: only runs that this says yes to are offered; an address may name another, and the page says what lacks.
        doubts: whether what makes its scores doubtful is said here; if not, the page says it.
        where: only runs with these columns, e.g. `dataset="mnist"`.

    Without such a run the page shows an empty state and stops.
    """
    rows = [run for run in trained(state) if all(run.get(column) == value for column, value in where.items())]
    if not rows:
        _say_none(state)
    chosen = one_of(label, rows, key=key, default=default, usable=usable)
    if doubts:
        say_torn(str(row["dataset"]) for row in rows if row["id"] == chosen)
    return chosen


def of_cells_embedded(row: Row) -> bool:
    """Whether a run can be looked at and learnt from images of cells."""
    return of_cells(str(row.get("dataset"))) and has_embedding(row)


def newest_of_cells() -> str | None:
    """The run on cells that pages open with: the user's newest, else the example's that sees what compounds do."""
    own = next((row for row in trained() if of_cells_embedded(row)), None)
    if own is None or not own.get("demo"):
        return own and str(own["id"])
    return example.run_id("right") or str(own["id"])


def say_torn(datasets: Iterable[str]) -> None:
    """Which image sets make scores doubtful, because their splits tear wells."""
    names = list(dict.fromkeys(datasets))
    told = {name: said for name in names if (said := torn_words(name))}
    for name, said in told.items():
        frame.quiet(f"{name}: {said}" if len(names) > 1 else said)


@st.fragment(run_every=2.0)
def _until_one_is_there(state: str | None) -> None:
    """Draw the page anew as soon as a run can be chosen; say what is under way meanwhile."""
    if trained(state):
        st.rerun()
    under_way = [run for run in trained(None) if run.get("state") in frame.ACTIVE]
    if under_way:
        frame.quiet(f"{frame.count(len(under_way), 'run')} under way; this page opens by itself when one is done.")


def one_of(
    label: str,
    rows: Sequence[Row],
    *,
    key: str,
    before: Mapping[str, str] | None = None,
    after: Mapping[str, str] | None = None,
    default: str | None = None,
    usable: Callable[[Row], bool] | None = None,
    help: str | None = None,
) -> str:
    """Id of one of these runs; in the address as `key`.

    The list holds the newest that can be used and the chosen one; where there are more, a search beside it finds them.

    Args:
        rows: in the order in which they are offered.
        before, after: what can be chosen besides, name -> words, at the head and the end of the list.
    """
    fitting = _Fitting(rows, usable)
    listed = list(islice(fitting, MOST + 1))
    more, listed = len(listed) > MOST, listed[:MOST]
    wanted = choices.asked(key) or default
    listed += [row for row in rows if row["id"] == wanted and all(row["id"] != other["id"] for other in listed)]
    listed = listed or list(rows[:1])  # none can be used: the page says of the newest why
    words = {**(before or {}), **run_names.words_of(listed), **(after or {})}
    draw = partial(
        choices.from_address, label, list(words), key=key, default=default, shown=words.__getitem__, help=help
    )
    if not more:
        return draw()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall"):
        chosen = draw()
        _search(label, fitting, key)
    return chosen


def titles_of(*run_ids: str) -> dict[str, str]:
    """{id: words} of a few runs, told apart where they read the same."""
    known = {str(row["id"]): row for row in frame.known_runs()}
    return run_names.words_of([known.get(run_id, RunRow(id=run_id)) for run_id in dict.fromkeys(run_ids)])


class _Fitting:
    """The rows that can be used, asked one by one, so that ten thousand folders are not looked into for fifty."""

    def __init__(self, rows: Sequence[Row], usable: Callable[[Row], bool] | None) -> None:
        self.rows, self._usable = rows, usable

    def __iter__(self) -> Any:
        return (row for row in self.rows if self._usable is None or self._usable(row))

    def found(self, text: str) -> Iterable[Row]:
        """Those that hold every word of a text."""
        values = sweeps.values_by_run()
        told = [row | {"values": values.get(str(row["id"]))} for row in self.rows] if values else self.rows
        return (row for row in run_names.chosen(told, text) if self._usable is None or self._usable(row))


def _search(label: str, fitting: _Fitting, key: str) -> None:
    """What is found is looked for only while the search is open."""
    place = st.popover(
        "Search",
        icon=":material/search:",
        key=f"search-{key}",
        on_change="rerun",
        help=f"Searches all {len(fitting.rows):,} runs",
    )
    if not place.open:
        return
    with place:
        text = st.text_input(
            f"Search {label}",
            key=f"find-{key}",
            placeholder="byol mnist-first-set seed:3",
            label_visibility="collapsed",
            width=380,
            help="Every word must be in a run's id, name, image set, composition, method, network, sweep or tags",
        )
        found = list(islice(fitting.found(text), _FOUND + 1))
        if not found:
            frame.quiet("No run that can be used here matches. Search for fewer words.")
        elif len(found) > _FOUND:
            frame.quiet(f"These are the newest {_FOUND}. More words find others.")
        with st.container(gap="xxsmall"):
            for row, words in zip(found, run_names.words_of(found[:_FOUND]).values(), strict=False):
                name = f"take-{key}-{row['id']}"
                take, label, told = (key, str(row["id"])), frame.plain(words), frame.plain(_told(row))
                st.button(label, key=name, type="tertiary", help=told, on_click=_take, args=take)


def _told(row: Row) -> str:
    """What else is known of a run, below its words."""
    tags = json.loads(row.get("tags") or "{}")
    numbers = {one.title: number_of(row, one.name) for _, one in columns(listed=True)}
    scores = [f"{title} {value:.3f}" for title, value in numbers.items() if value]
    return " · ".join([str(row["id"]), *scores, *(f"{name}: {value}" for name, value in tags.items())])


def _take(key: str, run_id: str) -> None:
    st.session_state[f"choose-{key}"] = run_id
    st.session_state[f"choose-{key}-address"] = st.query_params.get(key)  # what stands there now is not asked for anew
    st.session_state[f"search-{key}"] = False
