"""What a reader hands over: images still to be streamed, and what is known of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.datasets.imageset import Channel


@dataclass
class Outcome:
    """The result of reading a source.

    Attributes:
        pixels: chunks (n, C, H, W); reading them may add to `skipped`.
        table: the table of the images that came through; called after the last chunk.
        label: the column that is the truth, or None.
        classes: class names in order, or None for those that occur.
        channels: their names, or what the files say of them; None = nothing.
        skipped: files that could not be read: {file, reason}.
        notes: what was decided on the way, in sentences.
    """

    pixels: Iterable[np.ndarray[Any, Any]]
    table: Callable[[], pd.DataFrame]
    label: str | None = None
    classes: list[str] | None = None
    channels: Sequence[Channel | str] | None = None
    max_value: int | None = None
    source: str = ""
    skipped: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
