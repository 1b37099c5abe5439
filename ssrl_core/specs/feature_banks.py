"""The table of feature banks: fixed networks whose outputs the closed form takes. No torch is imported here.

A new one is a row here and a file in `learning/features/`. Beside the rows, every backbone with ImageNet weights is a
bank, and so are `timm/NAME` and `run:ID` (the network of a finished run).
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from ssrl_core.errors import SpecError
from ssrl_core.specs.backbones import BACKBONES

DEFAULT, LIVE = "random", "live"
_TIMM = re.compile(r"^timm/[a-zA-Z0-9_.]{1,80}$")
_RUN = re.compile(r"^run:[a-z0-9][a-z0-9._-]{0,120}$")


@dataclass(frozen=True)
class BankRow:
    """A fixed network.

    Attributes:
        dim: numbers it makes of a view.
        ms_per_view: of one core, one channel, a first estimate.
        weights: it needs a file of ImageNet weights.
    """

    name: str
    title: str
    sentence: str
    dim: int
    ms_per_view: float
    weights: bool = False


_ROWS = (
    BankRow(
        "random",
        "Random features",
        "Five layers of random weights at two scales; no file, no training, any number of channels.",
        1152,
        0.55,
    ),
    BankRow("live", "Random features, quick", "The same at one scale, for answers within a second.", 576, 0.15),
    BankRow(
        "patches",
        "Patches of these images",
        "How alike each place of an image is to 256 typical patches of the image set itself.",
        1024,
        0.8,
    ),
    BankRow("alexnet", "AlexNet", "All five stages of AlexNet, trained on ImageNet.", 1152, 1.5, True),
    BankRow("vgg16", "VGG16", "All five stages of VGG16, trained on ImageNet.", 1472, 15.0, True),
)

BANKS: dict[str, BankRow] = {row.name: row for row in _ROWS}


def check_bank(name: object, where: str) -> str:
    """The name of a bank.

    Raises:
        SpecError: there is none of this name; says the nearest.
    """
    imagenet = [row.name for row in BACKBONES.values() if row.imagenet]
    known = [*BANKS, *(other for other in imagenet if other not in BANKS)]
    if isinstance(name, str) and (name in known or _TIMM.match(name) or _RUN.match(name)):
        return name
    near = difflib.get_close_matches(str(name), known, n=1)
    raise SpecError.at(
        where,
        "bank",
        f"one of {', '.join(known)}, timm/NAME or run:ID",
        name,
        f"Did you mean {near[0]}?" if near else f"Leave it out for {DEFAULT}.",
    )
