"""A registry whose bytes were changed is made again from the folders, and says so; nothing differs in silence."""

import random
import sqlite3

import pytest

from ssrl_core import stores
from ssrl_core.errors import SSRLError
from ssrl_core.runs.queue import ordering, registry
from tests.kit import FULL, make_imageset, make_run

DAMAGES = 300 if FULL else 40


def _what_is_said() -> dict[str, object]:
    """Of every run what lists, the sheet of a run and the queue say."""
    rows = {row["id"]: {key: value for key, value in row.items() if key != "lost"} for row in registry.list_runs()}
    whole = {run_id: registry.get(run_id) for run_id, row in rows.items() if not row["demo"]}
    return {"rows": rows, "whole": whole, "next": [row["id"] for row in registry.query(ordering.READY, [99])]}


def _damaged(content: bytes, chance: random.Random) -> bytes:
    """The file with some bits flipped, some bytes zeroed, or without its end."""
    found, what = bytearray(content), chance.randrange(4)
    if what == 0:
        return bytes(found[: chance.randrange(len(found))])
    if what == 1:
        at = chance.randrange(len(found))
        found[at : at + 512] = bytes(len(found[at : at + 512]))
        return bytes(found)
    for _ in range(chance.choice((1, 1, 8, 64))):
        found[chance.randrange(len(found))] ^= 1 << chance.randrange(8)
    return bytes(found)


@pytest.fixture
def clean() -> bytes:
    """A registry of some runs, made from their folders: what they say there is what it says."""
    make_imageset(n=60)
    for number in range(12):
        make_run(
            state=("done", "failed", "queued", "stopped")[number % 4], spec={"seed": number, "name": f"run {number}"}
        )
    registry.reconcile()
    with sqlite3.connect(registry.path()) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return registry.path().read_bytes()


def test_no_damage_changes_anything_in_silence(clean):
    truth, chance = _what_is_said(), random.Random(20)
    silent, refused = [], []
    for number in range(DAMAGES):
        note = stores.models_root() / "registry_note.json"
        note.unlink(missing_ok=True)
        for file in stores.models_root().glob("runs.*db*"):
            file.unlink()
        registry.path().write_bytes(_damaged(clean, chance))
        registry._scored.clear()  # as a process that has just begun
        registry._last.clear()
        try:
            said = _what_is_said()
        except SSRLError as error:
            refused.append((number, error.message))
            continue
        if said != truth and not note.is_file():
            silent.append(number)
        if note.is_file():
            assert "made again from 12 run folders" in registry.last_note()["message"]
    assert (silent, refused) == ([], [])


def test_a_row_that_changes_under_a_process_that_runs_is_noticed(clean):
    before = {row["id"]: row["state"] for row in registry.list_runs(demo=False)}
    with sqlite3.connect(registry.path()) as connection:  # as a flipped bit would, past our triggers
        for name in ("sums_changed", "scores_changed"):
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("UPDATE runs SET state = 'failed' WHERE state = 'done'")
    connection.close()
    registry._last.clear()
    assert {row["id"]: row["state"] for row in registry.list_runs(demo=False)} == before
    assert "is not what was written" in registry.last_note()["message"]
