"""Stores that are made for one measurement and gone afterwards."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ssrl_core.runs.queue import registry, submitting
from ssrl_core.specs.run import RunSpec

TINY: dict[str, Any] = {
    "dataset": "digits",
    "backbone": "tiny_cnn",
    "method": "simclr",
    "terms": "mnist-first-set",
    "batch_size": 16,
    "epochs": 2,
}
"""The spec that made-up runs are of."""


@contextmanager
def own_stores() -> Iterator[None]:
    """Stores that are empty but for the images, with every module loaded."""
    before = {name: os.environ.get(name) for name in ("SSRL_DATA", "SSRL_MODELS")}
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(SSRL_DATA=str(Path(folder, "data")), SSRL_MODELS=str(Path(folder, "models")))
        submitting.identify(RunSpec.from_mapping(TINY))
        registry.counts()
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
