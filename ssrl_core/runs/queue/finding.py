"""Which of all runs somebody means: by id, by state, and by words that must be in what is known of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ssrl_core.errors import SpecError
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import registry, run_names
from ssrl_core.runs.queue.identity import spec_of_text
from ssrl_core.runs.queue.registry import RunRow
from ssrl_core.specs.run import RunSpec


def with_names(rows: Sequence[RunRow]) -> list[RunRow]:
    """The same rows with `compositions`, the names of the compositions of their terms; "" where none is known."""
    known = run_names.all_compositions()
    return [row | {"compositions": known.get(row["id"]) or run_names.compositions_of(row["id"])} for row in rows]


Row = RunRow

_SEARCHED = (
    *("id", "name", "dataset", "method", "backbone"),
    *("values", "sweep_id", "reason", "waits_for", "tags", "compositions"),
)


def shown_state(row: Row) -> str:
    """The state as people see it: one that starts runs, one without a sign of life is lost."""
    if row.get("lost"):
        return "lost"
    return "running" if row["state"] == "submitted" else str(row["state"])


def chosen(rows: Sequence[Row], text: str = "", states: Collection[str] = ()) -> list[Row]:
    """Runs in one of these states (none named: in any) that hold every word of a text, whatever its case.

    Args:
        rows: of `registry.list_runs`; `values` may say what makes a run different from its siblings in a sweep.
        text: words are sought in id, names, values, sweep, compositions, tags and reasons; `seed:5` is that seed.
        states: as of `shown_state`.
    """
    words = text.casefold().split()
    kept = [row for row in rows if shown_state(row) in states] if states else list(rows)
    return [row for row in with_names(kept) if _holds(row, words)] if words else kept


def _holds(row: Row, words: Sequence[str]) -> bool:
    text = " ".join(str(found) for name in _SEARCHED if (found := row.get(name))).casefold()
    seed = f"seed:{row.get('seed')}"
    return all(word == seed if word.startswith("seed:") else word in text for word in words)


def find(text: str) -> str:
    """The run that an id, or the beginning of one, means.

    Raises:
        SpecError: none or several; names them.
    """
    ids = [row["id"] for row in registry.list_runs()]
    fitting = [text] if text in ids else [run_id for run_id in ids if text and run_id.startswith(text)]
    if len(fitting) == 1:
        return str(fitting[0])
    near = fitting or ids
    words = f"It may be: {', '.join(near[:6])}." if near else "There are no runs yet; `train SPEC.yaml` makes one."
    rule = "the beginning of one run's id" if fitting else "a run of this store"
    raise SpecError.at("Run", "id", rule, text, words)


def spec_of(run: RunFolder) -> RunSpec:
    """The spec of a run, also of one that waits since a version that wrote no folder before the run's turn.

    Raises:
        SpecError: no such run, or the spec cannot be read.
    """
    return run.spec() if run.exists else spec_of_text(str(registry.require(run.id)["spec"]))
