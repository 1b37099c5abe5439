"""Ways to find nuclei: Viewloom's own, and networks of others where they are installed."""

from __future__ import annotations

import importlib
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssrl_core.errors import DataError, SpecError

Array = np.ndarray[Any, Any]
_ONE_AT_A_TIME = threading.Lock()  # neither network promises that two threads may ask it at once


@dataclass(frozen=True)
class Detector:
    """A package that finds nuclei.

    Attributes:
        package: what is installed and imported.
        module: in this folder, with `find(dna, diameter) -> labels`.
    """

    package: str
    module: str


OTHERS = {
    "cellpose": Detector("cellpose", "cellpose_nuclei"),
    "stardist": Detector("stardist", "stardist_nuclei"),
}
NAMES = ("threshold", *OTHERS)


def require(name: str) -> None:
    """Make sure that a detector can be used.

    Raises:
        SpecError: no such detector, or its package is not installed.
    """
    if name not in NAMES:
        raise SpecError(where="cells", field="detector", rule=f"one of {', '.join(NAMES)}", value=name)
    if name not in OTHERS:
        return
    package = OTHERS[name].package
    try:
        importlib.import_module(package)
    except ImportError as error:
        raise SpecError(
            where="cells",
            field="detector",
            rule="threshold, or one whose package is installed",
            value=name,
            remedy=f"Run: pip install {package}.",
        ) from error


def found_by(name: str, dna: Array, diameter: float) -> Array:
    """Nuclei as another package sees them.

    Args:
        name: one of `OTHERS`.
        dna: (H, W) numbers.
        diameter: usual diameter of a nucleus, px.

    Returns:
        (H, W) int32: 0 = background.

    Raises:
        SpecError: its package is not installed.
        DataError: it failed (its weights could not be fetched, memory); the message is its own.
    """
    require(name)
    module = importlib.import_module(f"ssrl_core.datasets.cells.{OTHERS[name].module}")
    try:
        with _ONE_AT_A_TIME:
            labels = np.asarray(module.find(dna, diameter))
    except Exception as error:  # whatever the package raises: it is told with the package's name
        text = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise DataError(f"{name} failed: {text}. Use the detector threshold, or mend the installation.") from error
    if labels.shape != dna.shape:
        raise DataError(f"{name} gave labels of {labels.shape} for a field of {dna.shape}.")
    return labels.astype(np.int32)
