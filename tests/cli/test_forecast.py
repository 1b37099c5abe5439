"""The command `forecast` prints one document for programs and a table for people."""

from __future__ import annotations

import json

from ssrl_core.cli import main
from tests.kit import make_imageset


def _said(capsys, *words):
    code = main(["forecast", *words])
    return code, capsys.readouterr()


def test_forecast_prints_one_document_of_the_contracts_shape(capsys):
    make_imageset(120, side=20)
    code, said = _said(
        capsys, "mnist-rotation-crop", "--dataset", "kit", "--images", "120", "--views", "3", "--bank", "live", "--json"
    )
    document = json.loads(said.out)
    assert (code, document["ok"], document["command"]) == (0, True, "forecast")
    data = document["data"]
    assert {"dataset", "bank", "images", "views", "kept", "classes", "clusters", "guards", "seconds"} <= set(data)
    assert {"name", "kind", "value", "low", "high", "icc", "plain"} <= set(data["kept"][0])


def test_forecast_prints_a_table_with_a_second_composition_and_the_cost_of_steps(capsys):
    make_imageset(120, side=20)
    words = ("--dataset", "kit", "--images", "120", "--views", "3", "--bank", "live", "--by-step")
    code, said = _said(capsys, "mnist-rotation-crop", "--against", "mnist-second-set", *words)
    assert code == 0
    assert "against" in said.out
    assert "without step 1" in said.out
    assert "class 1" in said.out


def test_forecast_answers_bad_input_in_the_houses_form(capsys):
    make_imageset(20, side=20)
    code, said = _said(capsys, "mnist-rotation-crop", "--dataset", "kit", "--json")
    error = json.loads(said.out)["error"]
    assert (code, error["field"], error["value"]) == (2, "images", 20)
    code, said = _said(capsys, "mnist-rotation-crop", "--dataset", "kit", "--bank", "randm", "--json")
    assert "Did you mean random" in json.loads(said.out)["error"]["remedy"]
