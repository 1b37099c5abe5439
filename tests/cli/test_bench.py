"""`bench`: finds its files by name, prints items as the contract says, refuses what is not there."""

from __future__ import annotations

import json

import pytest

from ssrl_core import stores
from ssrl_core.cli import main

KEYS = {
    "bench",
    "case",
    "metric",
    "unit",
    "ours",
    "peer",
    "peer_name",
    "peer_version",
    "ratio",
    "threads",
    "machine",
    "versions",
}


def run(capsys, *words):
    code = main(["bench", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_items_have_the_keys_of_the_contract(capsys):
    words = ["views", "--only", "cifar-32-crop-flip-jitter-grey-two-threads", "--rounds", "1", "--seconds", "0"]
    code, answer = run(capsys, *words)
    assert code == 0
    assert {item["peer_name"] for item in answer["data"]} == {"one-thread", "two-processes"}
    for item in answer["data"]:
        assert set(item) == KEYS
        assert item["bench"] == "views"
        assert item["ours"] > 0
        assert item["ratio"] == pytest.approx(item["ours"] / item["peer"])
        assert item["machine"]["images"]
        assert item["versions"]["torch"]


@pytest.mark.parametrize(
    ("words", "field"), [(["nothing"], "name"), (["views", "--rounds", "0"], "--rounds"), (["../x"], "name")]
)
def test_bad_input_is_answered_by_name(capsys, words, field):
    code, answer = run(capsys, *words)
    assert code == 2
    assert answer["error"]["field"] == field


def test_an_installed_package_says_that_the_sources_are_needed(capsys, monkeypatch):
    monkeypatch.setattr(stores, "source_root", lambda: None)
    code, answer = run(capsys, "views")
    assert code == 2
    assert "sources" in answer["error"]["remedy"]
