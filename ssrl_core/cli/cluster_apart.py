"""`cluster R -k K --apart`: what sets each cluster apart, in words and numbers."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from ssrl_core.analysis.apart import Effect
    from ssrl_core.analysis.clusters import Clustering
    from ssrl_core.datasets.imageset import ImageSet

_MOST = 12


def set_apart_of(imageset: ImageSet, image_ids: np.ndarray, clustering: Clustering) -> dict[str, Any]:
    """`apart`: of each cluster `words` and its largest `effects`; `apart_rests_on`: what their intervals rest on."""
    from ssrl_core.analysis.apart_table import set_apart
    from ssrl_core.analysis.apart_words import sentence
    from ssrl_core.datasets.columns import informative_columns
    from ssrl_core.runs.evaluation.descriptors import known

    table = known(imageset, image_ids)
    found = set_apart(table, informative_columns(table, imageset.label), clustering.ids, clustering.k)
    told = [
        {
            "words": sentence(effects, units=found.units.name),
            "effects": [_plain(e) for e in sorted(effects, key=lambda e: -abs(e.effect))[:_MOST]],
        }
        for effects in found.effects
    ]
    return {"apart": told, "apart_rests_on": found.rests_on}


def _plain(effect: Effect) -> dict[str, Any]:
    """An effect as JSON: what is not known is null."""
    row = {**asdict(effect), "clear": effect.clear}
    return {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()}
