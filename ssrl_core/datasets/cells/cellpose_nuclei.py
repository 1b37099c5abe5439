"""Nuclei by Cellpose, which fetches its weights on first use.

Source:
    Stringer et al. 2021, Cellpose (package: BSD-3-Clause); its model `nuclei` up to version 3, one model for all
    from version 4 on.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def find(dna: Array, diameter: float) -> Array:
    """(H, W) labels of the nuclei."""
    model, told = _model()
    labels: Array = model.eval(dna.astype(np.float32), diameter=float(diameter), **told)[0]
    return labels


@lru_cache(maxsize=1)
def _model() -> tuple[Any, dict[str, Any]]:
    """The network, loaded once, and what this version of it is told."""
    from cellpose import models

    if hasattr(models, "Cellpose"):  # up to version 3
        return models.CellposeModel(gpu=True, model_type="nuclei"), {"channels": [0, 0]}
    return models.CellposeModel(gpu=True), {}  # both fall back to the processor
