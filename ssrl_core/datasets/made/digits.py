"""scikit-learn's digits: real handwriting inside the installed package."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ssrl_core.datasets.builtin import BuiltIn
from ssrl_core.datasets.creation import create_built_in
from ssrl_core.datasets.progress import Report

MAX_VALUE = 16  # each pixel counts the dark ones of a 4 × 4 block


def make(row: BuiltIn, report: Report | None = None) -> None:
    """Create `digits` in the store, its 17 grey levels as they are."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = np.asarray(bunch.images, dtype=np.uint8)[:, None]
    table = pd.DataFrame(
        {"source": [f"load_digits#{i}" for i in range(len(pixels))], "digit": np.asarray(bunch.target).astype(str)}
    )
    create_built_in(
        row,
        pixels,
        table,
        max_value=MAX_VALUE,
        licence="CC BY 4.0",
        citation="Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits, UCI; doi:10.24432/C50P49",
    )
