"""Names and colours of channels where nobody gave any."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ssrl_core.datasets.imageset import Channel
from ssrl_core.errors import SpecError

GREY = "#ffffff"
RGB = (("red", "#ff0000"), ("green", "#00ff00"), ("blue", "#0000ff"))
# By what is stained; the first that is found in a channel's name decides.
STAINS = (
    ("dna|dapi|hoechst|nucle|histone", "#3d7dff"),
    ("actin|phalloidin", "#ff3dd0"),
    ("tubulin|microtub", "#3ddc5a"),
    ("mito", "#ff5a3d"),
    ("golgi|membrane", "#ffc53d"),
    ("er\\b|rna", "#3de0ff"),
)
SPARE = ("#3d7dff", "#ff3dd0", "#3ddc5a", "#ffc53d", "#3de0ff", "#ff5a3d", "#b48cff", "#c8ff3d")


def default_channels(given: Sequence[Channel | str] | None, count: int, *, where: str) -> tuple[Channel, ...]:
    """Channels with names and colours.

    Args:
        given: channels, or names only, or None.
        count: how many channels the images have.

    Raises:
        SpecError: not as many names as channels, or a name twice.
    """
    if given is None:
        return _unnamed(count)
    named = [item if isinstance(item, Channel) else Channel(str(item).strip(), "") for item in given]
    if len(named) != count or len({c.name for c in named}) != count:
        raise SpecError(where=where, field="channels", rule=f"{count} different names", value=[c.name for c in named])
    return tuple(c if c.colour else Channel(c.name, _colour(c.name, i, count)) for i, c in enumerate(named))


def _unnamed(count: int) -> tuple[Channel, ...]:
    if count == 1:
        return (Channel("grey", GREY),)
    if count == 3:
        return tuple(Channel(name, colour) for name, colour in RGB)
    return tuple(Channel(f"channel-{i + 1}", SPARE[i % len(SPARE)]) for i in range(count))


def _colour(name: str, place: int, count: int) -> str:
    for pattern, colour in STAINS:
        if re.search(pattern, name.lower()):
            return colour
    for known, colour in RGB:
        if name.lower() in (known, known[0]):
            return colour
    return GREY if count == 1 else SPARE[place % len(SPARE)]
