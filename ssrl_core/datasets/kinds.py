"""What kind of pictures an image set holds, and the composition that one begins with for such pictures.

A kind decides only where one begins: photographs are not begun with under a preset of digits, nor cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.errors import SSRLError

_SMALL_PX = 64


@dataclass(frozen=True)
class Kind:
    """A kind of pictures.

    Attributes:
        noun: in the plural, as the pages say it.
        composition: the preset to begin with.
        input: what the network is shown where it is measured (`evaluate.input`).
        clusters: the numbers of clusters to begin with where there are no labels.
        bank: the feature bank that a run is solved with. Of cells patches tell more: on simulated-nocodazole, whole
            wells, AMI .061 (random .025, pixels .029), kNN .746 (pixels .598).
    """

    name: str
    noun: str
    composition: str
    input: str = "whole"
    clusters: int = 10
    bank: str = "random"


CELLS = Kind("cells", "cells", "cells-figure6-right", "fixed_steps", 4, "patches")
DRAWINGS = Kind("drawings", "images", "mnist-rotation-crop")
PHOTOGRAPHS = Kind("photographs", "images", "cifar-base")
GREY = Kind("grey", "images", "cells-first-set")
STAINS = Kind("stains", "cells", "cells-any-channels", "whole", 4)  # where colour jitter has no red, green and blue
KINDS = {kind.name: kind for kind in (CELLS, STAINS, DRAWINGS, PHOTOGRAPHS, GREY)}


def kind_of(imageset: ImageSet) -> Kind:
    """Cells where compounds or the size of a pixel are known, or where stains are; small grey pictures are drawings."""
    names = {channel.name.lower() for channel in imageset.channels}
    rgb = names == {"red", "green", "blue"}
    if imageset.pixel_size_um or (imageset.shape[0] > 1 and not rgb) or _has_compounds(imageset):
        return STAINS if imageset.shape[0] not in (1, 3) else CELLS
    if rgb:
        return PHOTOGRAPHS
    return DRAWINGS if max(imageset.shape[1:]) <= _SMALL_PX else GREY


def kind_named(name: str) -> Kind | None:
    """What an image set holds, made or not; None where it is not known or damaged (its page says what is wrong)."""
    from ssrl_core.datasets import store
    from ssrl_core.datasets.builtin import BUILT_IN

    try:
        if store.is_ready(name):
            return kind_of(store.load(name))
    except SSRLError:
        return None
    row = BUILT_IN.get(name)
    if row is None:
        return None
    return CELLS if row.module.startswith("simulated") else PHOTOGRAPHS if row.shape[0] == 3 else DRAWINGS


def of_cells(name: str) -> bool:
    """Whether an image set holds cells."""
    return kind_named(name) in (CELLS, STAINS)


def fits(kind: Kind, composition: str) -> bool:
    """Whether a preset was made for such pictures; compositions of one's own fit everywhere."""
    families = {"mnist-": DRAWINGS, "cells-": CELLS, "cifar-": PHOTOGRAPHS, "sololearn-": PHOTOGRAPHS}
    made_for = next((own for start, own in families.items() if composition.startswith(start)), kind)
    if kind is STAINS:
        return made_for is STAINS or composition == STAINS.composition
    return made_for is kind or (made_for is CELLS and kind is GREY)


def _has_compounds(imageset: ImageSet) -> bool:
    return _compounds_in(str(imageset.folder / "table.parquet"), imageset.fingerprint)


@lru_cache(maxsize=256)
def _compounds_in(path: str, fingerprint: str) -> bool:
    """Whether the table has a column of compounds; its head alone is read."""
    import pyarrow.parquet as parquet

    try:
        return "compound" in parquet.read_schema(path).names
    except (OSError, ValueError):
        return False
