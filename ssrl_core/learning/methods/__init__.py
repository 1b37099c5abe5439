"""Methods, one file each. A method's file has its loss as a pure function, and `METHOD`, the class that trains with it.

A new method is its row in `specs/methods.py` and one file here, of the same name.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from ssrl_core.errors import SpecError
from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.methods.base import Method, Setup, own_key
from ssrl_core.specs.methods import METHODS


def build_method(name: str, encoder: Encoder, settings: Mapping[str, Any], setup: Setup) -> Method:
    """A method around an encoder, on the CPU; its heads and queues come from `setup.seed` alone.

    Raises:
        SpecError: an unknown method, or settings that cannot work with this batch or number of images.
    """
    if name not in METHODS:
        raise SpecError.at("Method", "name", "one of " + ", ".join(METHODS), name, "Choose one of them.")
    kind: type[Method] = importlib.import_module(f"{__name__}.{name}").METHOD
    kind.check(name, settings, setup)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(setup.seed + 1)  # not the encoder's own stream
        method = kind(encoder, settings, setup)
        if setup.own_heads:
            _give_own_heads(method, setup.terms)
        return method


def _give_own_heads(method: Method, terms: int) -> None:
    """Heads (and the teacher's) for every term but the first, which keeps the plain names."""
    for term in range(1, terms):
        other = type(method)(method.encoder, method.settings, replace(method.setup, terms=1))
        for name, head in other.heads.items():
            method.heads[own_key(name, term)] = head
            if name in other.teacher:
                method.teacher[own_key(name, term)] = other.teacher[name]
