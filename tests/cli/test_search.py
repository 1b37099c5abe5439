"""The command `search` prints one document for programs and a list for people; bad wishes have the house's form."""

from __future__ import annotations

import json

from ssrl_core.cli import main
from tests.kit import make_imageset


def _said(capsys, tmp_path, text, *words):
    (tmp_path / "wishes.yaml").write_text(text)
    code = main(["search", str(tmp_path / "wishes.yaml"), *words])
    return code, capsys.readouterr()


WISHES = "dataset: kit\nwishes: {classes: keep, brightness: ignore}\n"


def test_search_prints_one_document_and_a_list(capsys, tmp_path):
    make_imageset(120, side=20)
    code, said = _said(capsys, tmp_path, WISHES, "--candidates", "5", "--json")
    data = json.loads(said.out)["data"]
    assert (code, data["tried"], data["wishes"]) == (0, 5, {"classes": "keep", "brightness": "ignore"})
    assert {"composition", "kept", "price", "sentence"} <= set(data["front"][0])
    code, said = _said(capsys, tmp_path, WISHES, "--candidates", "5")
    assert code == 0
    assert "5 compositions tried" in said.out
    assert "1. " in said.out
    assert "best" not in said.out


def test_search_answers_bad_wishes_in_the_houses_form(capsys, tmp_path):
    make_imageset(60, side=20)
    code, said = _said(capsys, tmp_path, WISHES, "--candidates", "0", "--json")
    error = json.loads(said.out)["error"]
    assert (code, error["field"], error["value"]) == (2, "candidates", 0)
    code, said = _said(capsys, tmp_path, "dataset: kit\nwishes: {brightnes: keep}\n", "--json")
    assert code == 2
    assert "Did you mean 'brightness'" in json.loads(said.out)["error"]["remedy"]


def test_ctrl_c_keeps_what_was_tried(capsys, tmp_path, monkeypatch):
    make_imageset(60, side=20)

    def interrupt(*args, **ways):
        raise KeyboardInterrupt

    monkeypatch.setattr("ssrl_core.forecast.search", interrupt)
    code, said = _said(capsys, tmp_path, WISHES)
    assert code == 3
    assert "the same command goes on" in said.err
