"""`screen`: profiles of wells and the scores that screeners ask for, beside no training, raw pixels and cell count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.analysis.screens.profiles import Profiles, wells_profiles
from ssrl_core.analysis.screens.screen import beside, screen
from ssrl_core.errors import DataError, SpecError, SSRLError
from ssrl_core.runs.evaluation import screens
from ssrl_core.runs.evaluation.images import Features, pixel_features
from ssrl_core.runs.evaluation.parts import Answer, Evaluation
from ssrl_core.runs.evaluation.parts.references import unlearnt
from ssrl_core.runs.evaluation.screens import BESIDE, OWN
from ssrl_core.specs.screens import Recipe

if TYPE_CHECKING:
    from ssrl_core.runs.folder.run_folder import RunFolder
    from ssrl_core.specs.run import RunSpec

_IMAGENET = ("resnet18", "vgg16")


def make(evaluation: Evaluation, item: str = "") -> Answer:
    """The recipe and, under it, `Screen.to_json` with `files`.

    Raises:
        SpecError: no well or compound is known, or no untreated wells are there.
    """
    recipe = Recipe.from_mapping(evaluation.spec.evaluate.parts["screen"])
    try:
        kinds, missing = _profiles(evaluation, recipe)
        found = screen(kinds[OWN], recipe)
        learnt = screens.learnt_wells(evaluation.run, recipe)
        others, words = beside({k: w for k, w in kinds.items() if k != OWN} | learnt, recipe)
        told = found.to_json(others)
    except DataError as error:
        raise SpecError(error.message) from None
    reasons = told.pop("missing") | {f"beside.{kind}": why for kind, why in (missing | words).items()}
    files = screens.keep(evaluation.run, kinds, recipe)
    return {**recipe.to_mapping(), **told, "files": files}, reasons


def is_kept(run: RunFolder, spec: RunSpec, entry: dict[str, Any]) -> bool:
    """Whether its wells are there, and no column was joined to the images since."""
    return not screens.is_older(run) and all((run.path / str(name)).is_file() for name in entry.get("files") or ["-"])


def _profiles(evaluation: Evaluation, recipe: Recipe) -> tuple[dict[str, Profiles], dict[str, str]]:
    """Wells by every kind of features, and why a kind has none."""
    images = evaluation.images
    ids = screens.scored_ids(evaluation.spec, images.imageset, images.kept, recipe)
    about, counts = screens.about_cells(images.imageset, ids, **recipe.columns())
    ways: dict[str, Any] = {"minimum_cells": recipe.minimum_cells, "cells": counts}
    own = wells_profiles(evaluation.features.of(ids), about, recipe.wells, **ways)
    others = _others(evaluation, ids)
    found = {kind: wells_profiles(x, about, recipe.wells, **ways) for kind, x in others.items()}
    missing: dict[str, str] = {}
    try:
        found["imagenet"] = wells_profiles(_imagenet(evaluation, ids), about, recipe.wells, **ways)
    except SSRLError as error:
        missing["imagenet"] = error.message
    kinds = {kind: screens.fewest_numbers(found[kind]) for kind in BESIDE if kind in found}
    return {OWN: own, **kinds}, missing


def _others(evaluation: Evaluation, ids: np.ndarray) -> dict[str, Any]:
    """Features of the untrained network and raw pixels, read whole wells at a time."""
    alone = evaluation.features.alone
    extractors = unlearnt(evaluation) if alone is None else {"pixels": pixel_features}
    found: dict[str, Any] = {kind: _Blocks(evaluation, ids, features) for kind, features in extractors.items()}
    if alone is not None:
        found["untrained"] = Features(evaluation.features.ids, alone).of(ids)
    return found


class _Blocks:
    """Features of some images, made when rows of them are asked for: never all of them at a time."""

    def __init__(self, evaluation: Evaluation, ids: np.ndarray, features: Any) -> None:
        self._evaluation, self._ids, self._features = evaluation, ids, features
        self._done = 0
        self.shape = (len(ids), self._of(ids[:1]).shape[1])

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        order = np.argsort(rows)
        found = self._of(self._ids[rows[order]])
        self._done += len(rows)
        self._evaluation.progress(min(1.0, self._done / max(1, self.shape[0])))
        back = np.empty_like(found)
        back[order] = found
        return back

    def _of(self, ids: np.ndarray) -> np.ndarray:
        batches = self._evaluation.images.batches(ids, self._evaluation.device)
        return np.concatenate([self._features(batch) for batch in batches])


def _imagenet(evaluation: Evaluation, ids: np.ndarray) -> np.ndarray:
    """(n, D) by the first network whose ImageNet weights are here.

    Raises:
        SpecError: none is here.
    """
    from ssrl_core.learning.backbones.weights import imagenet_file
    from ssrl_core.runs.evaluation.baseline import imagenet_embedding

    name = next((name for name in _IMAGENET if imagenet_file(name) is not None), None)
    if name is None:
        raise SpecError(f"the ImageNet weights of {' or '.join(_IMAGENET)} are not here (Data fetches them)")
    images = evaluation.images
    return imagenet_embedding(images.imageset, ids, name, show=images.show)
