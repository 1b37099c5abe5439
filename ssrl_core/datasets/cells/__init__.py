"""From microscope fields to single cells.

`detect` finds nuclei, `cut` cuts squares around them, `import_fields` makes an image set of a whole screen.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "detect": "nuclei",
    "measure_diameter": "nuclei",
    "cut": "cutting",
    "Crops": "cutting",
    "REASONS": "cutting",
    "agreement": "detectors",
    "glance_cells": "importing",
    "list_fields": "field_lists",
    "read_field": "fields",
    "UnreadableField": "fields",
    "import_fields": "importing",
    "report_of": "importing",
    "dropped_examples": "importing",
    "MEASURED": "settings",
    "CellOptions": "settings",
    "CellSettings": "settings",
    "NucleusSettings": "settings",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Loaded when first used, so that naming this room costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
