"""Figure 4: ten clusters of MNIST: digits under the first set, handwriting under the second."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ssrl_core.analysis.scores import mean_sd, told_by
from ssrl_core.paper import bases
from ssrl_core.paper.evidence import Evidence, column
from ssrl_core.paper.item import Item, Outcome, Plan, Row, contrast
from ssrl_core.runs.folder.run_folder import RunFolder

if TYPE_CHECKING:
    from ssrl_core.datasets.imageset import ImageSet

_VARY, _SMALL_VARY = bases.over_sets(), bases.over_sets(side_px=bases.MNIST_PX)


def _full() -> dict[str, Mapping[str, Any]]:
    return {"figure-4 full": bases.mnist(vary=_VARY, evaluate={"clusters": [10], "layouts": ["tsne"]})}


def _small() -> dict[str, Mapping[str, Any]]:
    return {"figure-4 small": bases.small_mnist(vary=_SMALL_VARY)}


def _instant() -> dict[str, Mapping[str, Any]]:
    return {"figure-4 instant": bases.solved_mnist(vary=_VARY)}


def compare(evidence: Evidence) -> Outcome:
    """AMI with the digits higher under the first set; share of ink explained by the clusters higher under the "
    "second."""
    name = next(iter(evidence.specs))
    table = evidence.results(name)
    labels = list(dict.fromkeys(table["label"])) if not table.empty else [bases.FIRST, bases.SECOND]
    ink = {label: ink_explained(table, label) for label in labels}
    rows = [Row(label, "ami with digits", None, *mean_sd(column(table, label, "ami"))) for label in labels]
    rows += [Row(label, "ink explained by clusters (eta²)", None, *mean_sd(ink[label])) for label in labels]
    first, second = bases.FIRST, bases.SECOND
    digits = [column(table, label, "ami") for label in (first, second)]
    thick = "line thickness (ink) explained by the clusters: second set above first"
    return Outcome(
        rows,
        [
            contrast("AMI with the digits: first set above second", digits[0], digits[1], "AMI"),
            contrast(thick, ink.get(second, []), ink.get(first, []), "eta²"),
        ],
    )


def ink_explained(table: pd.DataFrame, label: str) -> list[float]:
    """For each run, the share of the variance of mean brightness (ink) that lies between its clusters."""

    def ink(imageset: ImageSet, ids: np.ndarray) -> np.ndarray:
        return np.asarray(np.asarray(imageset.pixels[ids], dtype=np.float64).mean(axis=(1, 2, 3)))

    return _explained(table, label, 10, "ink", ink)


ITEM = Item(
    "figure-4",
    "MNIST: clusters of digits, or of handwriting",
    "The first set clusters by digit; the second by handwriting and line thickness.",
    {
        "full": Plan(
            _full,
            needs=("mnist",),
            says="As table 2, with a t-SNE of the test split. Handwriting is "
            "measured "
            "by ink, the mean brightness of an image.",
        ),
        "instant": Plan(
            _instant,
            needs=("mnist",),
            says=bases.SOLVED_SAYS.format(bases.SOLVED_MNIST) + " Handwriting is measured by ink.",
        ),
        "small": Plan(
            _small,
            needs=("mnist",),
            says="Rehearsal: the runs of table 2. Handwriting is measured by ink, the mean brightness of an image.",
        ),
    },
    compare,
    conflicts="The caption of figure 4 leaves erasing and the horizontal flip out of the second set.",
)


def explained(table: pd.DataFrame, label: str, k: int, truth: str) -> list[float]:
    """For each run with a label: AMI of its K clusters with a column of names, or eta² of a column of numbers."""

    def values(imageset: ImageSet, ids: np.ndarray) -> np.ndarray:
        return np.asarray(imageset.table[truth].to_numpy()[ids])

    return _explained(table, label, k, truth, values)


def response(table: pd.DataFrame, label: str) -> list[float]:
    """For each run with a label: AMI of its four clusters with the response, which simulated cells have."""
    return explained(table, label, 4, "response")


def _explained(
    table: pd.DataFrame, label: str, k: int, truth: str, values_of: Callable[[ImageSet, np.ndarray], np.ndarray]
) -> list[float]:
    if f"{k} {truth}" in table:  # solved ones were measured when they were solved
        return column(table, label, f"{k} {truth}")
    from ssrl_core.datasets import store as image_sets
    from ssrl_core.runs.evaluation.clustering import stored_clusters

    found = []
    for _, row in (table[table["label"] == label] if not table.empty else table).iterrows():
        run = RunFolder(str(row["run"]))
        if row["state"] != "done" or not run.results():
            continue
        _, ids = run.embedding()
        values = values_of(image_sets.load(str(row["dataset"])), ids)
        found.append(told_by(values, np.asarray(stored_clusters(run, k, 0).ids)))
    return found
