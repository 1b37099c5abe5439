"""The colours of things, the same on every page and in every figure."""

from __future__ import annotations

import hashlib

from ssrl_core.figures.palette_table import TABLE

# Okabe & Ito 2008, in an order whose neighbours differ much; their black, which no dark page shows, is this grey
OKABE_ITO = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#666666")

ACCENT = "#0d9488"  # readable on white and on a dark page
NEUTRAL = "#8b95a1"  # everything that is only there for comparison
MISSING = "#aab2bc"  # images of which the value is not known
GAIN, LOSS = "#0d9488", "#b07a2f"
IMAGE_GROUND = "#0b0d10"

VIRIDIS = ("#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725")
SIGNED = ("#8c510a", "#bf812d", "#dfc27d", "#f6e8c3", "#ffffff", "#c7eae5", "#80cdc1", "#35978f", "#01665e")


def palette(n: int) -> list[str]:
    """Colours for `n` things: Okabe-Ito up to 8, then each as far as possible from all before, up to 200.

    The first colours do not depend on `n`, so a thing keeps its colour when others join. Beyond 200 they repeat.
    """
    return [TABLE[i % len(TABLE)] for i in range(n)]


def colour_of(index: int) -> str:
    """Colour of the thing with this number; things without one (-1) are grey."""
    return MISSING if index < 0 else TABLE[index % len(TABLE)]


def viridis(share: float) -> str:
    """Colour of a value at this share (0..1) of its range."""
    place = min(max(share, 0.0), 1.0) * (len(VIRIDIS) - 1)
    low = min(int(place), len(VIRIDIS) - 2)
    rest = place - low
    mixed = [
        round((1 - rest) * int(VIRIDIS[low][i : i + 2], 16) + rest * int(VIRIDIS[low + 1][i : i + 2], 16))
        for i in (1, 3, 5)
    ]
    return "#" + "".join(f"{v:02x}" for v in mixed)


def colour_of_name(name: str) -> str:
    """A colour for something that has a name and no number; the same name always has the same."""
    return TABLE[int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % 40]
