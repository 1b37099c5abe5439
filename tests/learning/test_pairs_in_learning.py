"""Pairs of different images in every method, after a resume, on several ranks and in the closed form."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from ssrl_core.compositions.draws import draw
from ssrl_core.compositions.pairs import circular_words, partners, taught_by_pairs
from ssrl_core.compositions.views import make_views
from ssrl_core.learning.loop import fit
from ssrl_core.learning.solving import bank_for, moments_of, solve_run
from ssrl_core.learning.training import Training
from ssrl_core.runs.queue.identity import identify
from ssrl_core.specs.composition import Composition
from ssrl_core.specs.methods import METHODS
from ssrl_core.specs.run import RunSpec, Term
from tests.learning.tiny_runs import assert_same_run, small_images, small_spec, stop_at

STEPS = [{"transform": "rotation", "degrees": 20}, {"transform": "gaussian_noise"}]
PAIRED = {"version": 1, "name": "paired", "pair": "kind", "steps": STEPS}


def _terms(pair: str = "kind") -> list[dict[str, Any]]:
    return [{"composition": PAIRED | {"pair": pair}, "weight": 1.0}]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_from_pairs_of_different_images(method: str) -> None:
    training = Training(small_spec(method, terms=_terms(), epochs=1), small_images())
    training.begin_epoch(0)
    assert bool(torch.isfinite(training.step(0).loss))


def test_a_stopped_run_resumes_bit_for_bit(tmp_path: Path) -> None:
    images, spec = small_images(), small_spec(terms=[*_terms(), *_terms("image")])
    fit(spec, images, tmp_path / "whole")
    stop_at(tmp_path / "broken", spec, images, 4)
    fit(spec, images, tmp_path / "broken")
    assert_same_run(tmp_path / "whole", tmp_path / "broken")


def test_ranks_see_the_views_that_one_device_sees() -> None:
    training = Training(small_spec(terms=_terms()), small_images())
    rows = training._rows(0)
    whole = training._views(rows, 0)[0].whole
    parts = [training._views(part, 0)[0].whole for part in np.split(rows, 2)]
    for view, both in zip(whole, zip(*parts, strict=True), strict=True):
        assert torch.equal(view.pixels, torch.cat([part.pixels for part in both]))


def test_the_closed_form_is_that_of_every_pair_written_out() -> None:
    images = small_images()
    ids, made = images.split_ids("train"), Composition.from_mapping(PAIRED)
    bank = bank_for("live", images, ids, 16, seed=0)
    found = moments_of(images, ids, [Term(made, 1.0)], bank, views=3, seed=4)

    many = Composition.from_mapping(
        {"name": "many", "pair": "kind", "views": [{"name": "view", "count": 3, "steps": STEPS}]}
    )
    drawn = draw(many, ids, seed=4, epoch=0, partners=partners(images, many, ids))
    views = make_views(images.take(drawn.needed), drawn, many, max_value=images.max_value)[0]
    x = bank.features(views.flatten(0, 1)).numpy().reshape(3, len(ids), -1).astype(np.float64)
    mean = x.reshape(-1, x.shape[-1]).mean(axis=0)
    shared = np.zeros((x.shape[-1],) * 2)
    for one, other in combinations(x - mean, 2):
        shared += (one.T @ other + other.T @ one) / (6 * len(ids))
    scale = np.abs(shared).max()
    np.testing.assert_allclose(found.shared / scale, shared / scale, atol=0.02)  # divided by n - 1 there
    np.testing.assert_allclose(found.mean, mean, atol=1e-4)


def test_pairs_of_a_class_keep_the_class_and_less_of_all_else() -> None:
    images = small_images(200, classes=4)
    ids = images.split_ids("train")

    def within(pair: str) -> float:
        spec = RunSpec.from_mapping(
            {
                "dataset": "kit",
                "method": {"name": "spectral", "bank": "live", "dim": 4, "views": 4},
                "terms": _terms(pair),
            }
        )
        encoder = solve_run(spec, images)
        with torch.no_grad():
            x = encoder(torch.from_numpy(images.take(ids).astype(np.float32) / images.max_value)).numpy()
        labels = images.label_ids[ids]
        means = np.stack([x[labels == label].mean(axis=0) for label in range(4)])
        return float(((x - means[labels]) ** 2).sum() / ((x - x.mean(axis=0)) ** 2).sum())

    assert within("kind") < 0.8 * within("image")


def test_what_is_taught_is_said_with_the_honest_way() -> None:
    small_images()
    said = identify(small_spec(terms=_terms())).doubts
    assert any("the label: the training is supervised" in text for text in said)


def test_a_mechanism_that_the_screen_names_is_taught_too() -> None:
    spec = small_spec(terms=_terms(), evaluate={"screen": {"mechanism": "kind"}})
    assert any("compounds of a mechanism find each other" in text for text in circular_words(spec, small_images()))


def test_pixels_of_pairs_are_read_once_and_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssrl_core.learning.devices._resident_limit", lambda device: 0)
    training = Training(small_spec(terms=_terms(), epochs=1), small_images())
    read: list[Any] = []
    begin = training.bank._reading
    monkeypatch.setattr(training.bank, "_reading", lambda rows: read.append(rows) or begin(rows))
    training.step(0)
    training.step(1)
    needed = [training._rows_of(training._drawn(0, training._rows(step), 0)) for step in range(3)]
    assert all(np.array_equal(one, other) for one, other in zip(read, needed, strict=True))


def test_a_rehearsal_reads_nothing_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssrl_core.learning.devices._resident_limit", lambda device: 0)
    training = Training(small_spec(), small_images())
    training.step(0)
    training.bank._coming = None
    training.rehearse(2)
    assert training.bank._coming is None


@pytest.mark.parametrize(
    ("column", "what", "apart"),
    [
        ("Metadata_MOA", "compounds of a mechanism find each other", "Metadata_Compound"),
        ("mechanism_of_action", "compounds of a mechanism find each other", "Metadata_Compound"),
        ("Metadata_Compound", "replicates of a compound agree", "Metadata_Compound"),
        ("Image_Metadata_Well_DAPI", "cells of a well agree", "Image_Metadata_Well_DAPI"),
        ("kind", "", ""),
    ],
)
def test_what_pairs_teach_is_known_however_the_column_is_called(column: str, what: str, apart: str) -> None:
    table = pd.DataFrame({column: ["a", "b"], "Metadata_Compound": ["x", "y"], "split": ["train", "test"]})
    spec = small_spec(terms=_terms(column))
    found = taught_by_pairs(spec, SimpleNamespace(table=table), {"images": "all"})
    assert [(one.what.removeprefix("that "), one.apart) for one in found] == ([(what, apart)] if what else [])
    assert taught_by_pairs(spec, SimpleNamespace(table=table), {"images": "held_out"}) == []
