"""Finding runs among thousands: by state, and by words."""

from __future__ import annotations

import json

import pytest

from ssrl_core.cli import main
from ssrl_core.runs.queue import run_names


def row(**changes):
    plain = {"id": "a", "state": "done", "dataset": "kit", "method": "simclr", "backbone": "tiny_cnn", "seed": 5}
    return plain | changes


ROWS = [
    row(id="one", knn_top1=0.5, queued_at="2026-01-01T00:00:00Z"),
    row(id="two", state="failed", reason="The loss is not a number.", seed=6),
    row(id="three", state="running", lost=True, method="byol", tags='{"kind": "try"}'),
    row(id="four", state="submitted", sweep_id="lr-1234", values="lr 0.1", seed=15),
]


@pytest.mark.parametrize(
    ("text", "states", "found"),
    [
        ("", (), ["one", "two", "three", "four"]),
        ("SimCLR", (), ["one", "two", "four"]),
        ("simclr number", (), ["two"]),
        ("seed:5", (), ["one", "three"]),
        ("seed:1", (), []),
        ("lr-1234", (), ["four"]),
        ("lr 0.1", (), ["four"]),
        ("kind", (), ["three"]),
        ("", ("lost", "running"), ["three", "four"]),
        ("byol", ("done",), []),
    ],
)
def test_every_word_of_a_search_must_be_there(text, states, found):
    assert [one["id"] for one in run_names.chosen(ROWS, text, states)] == found


def test_the_command_finds_what_the_page_finds(queued, capsys):
    first, second = queued(), queued(seed=6, name="second try")
    for words, found in (("seed:6", [second.id]), ("SECOND tiny", [second.id]), ("simclr", [second.id, first.id])):
        assert main(["runs", "list", "--json", "--search", words]) == 0
        assert [one["id"] for one in json.loads(capsys.readouterr().out)["data"]] == found
