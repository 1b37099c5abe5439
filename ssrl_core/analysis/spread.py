"""Mean and standard deviation over few values, some of which may be missing."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def mean_sd(values: Iterable[float | None]) -> tuple[float | None, float | None, int]:
    """(mean, sd, n) of what is there and finite: sd with n - 1, None for one value; (None, None, 0) without any."""
    known = np.asarray([v for v in values if v is not None], dtype=float)
    known = known[np.isfinite(known)]
    if not len(known):
        return None, None, 0
    return float(known.mean()), float(known.std(ddof=1)) if len(known) > 1 else None, len(known)
