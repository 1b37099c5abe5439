"""Methods, one file each. A method's file has its loss as a pure function, and `METHOD`, the class that trains with it.

A new method is its row in `specs/methods.py` and one file here, of the same name.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import torch

from ssrl_core.errors import SpecError
from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.methods.base import Method, Setup
from ssrl_core.specs.methods import METHODS


def build_method(name: str, encoder: Encoder, settings: Mapping[str, Any], setup: Setup) -> Method:
    """A method around an encoder, on the CPU; its heads and queues come from `setup.seed` alone.

    Raises:
        SpecError: an unknown method, or settings that cannot work with this batch or number of images.
    """
    if name not in METHODS:
        raise SpecError(
            where="Method", field="name", rule="one of " + ", ".join(METHODS), value=name, remedy="Choose one of them."
        )
    kind: type[Method] = importlib.import_module(f"{__name__}.{name}").METHOD
    kind.check(name, settings, setup)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(setup.seed + 1)  # not the encoder's own stream
        return kind(encoder, settings, setup)
