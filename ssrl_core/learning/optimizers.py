"""Optimizers by name: sgd, lars, adam, adamw."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from ssrl_core.errors import SpecError
from ssrl_core.learning.lars import LARS
from ssrl_core.learning.methods.base import Method, base_name

_CONSTANT = "constant_lr"


def build_optimizer(
    name: str, method: Method, *, lr: float, weight_decay: float, momentum: float = 0.9, fused: bool = False
) -> Optimizer:
    """An optimizer of the encoder and the heads.

    Args:
        name: sgd, lars, adam or adamw.
        lr: base rate, already scaled to the batch.
        momentum: of sgd and lars.
        fused: one kernel for all tensors (CUDA).

    Raises:
        SpecError: unknown name.
    """
    groups = parameter_groups(method)
    common: dict[str, Any] = {"lr": lr, "weight_decay": weight_decay}
    if name == "lars":
        return LARS(groups, momentum=momentum, clip=method.lars_clips, **common)
    if name == "sgd":
        return torch.optim.SGD(groups, momentum=momentum, fused=fused or None, **common)
    if name == "adam":
        return torch.optim.Adam(groups, fused=fused or None, **common)
    if name == "adamw":
        return torch.optim.AdamW(groups, fused=fused or None, **common)
    raise SpecError(where="Optimizer", field="name", rule="sgd, lars, adam or adamw", value=name, remedy="Use sgd.")


def parameter_groups(method: Method) -> list[dict[str, Any]]:
    """What is trained: the encoder and the heads; heads with a constant rate are a group of their own."""
    moving: list[nn.Parameter] = list(method.encoder.parameters())
    constant: list[nn.Parameter] = []
    for name, head in method.heads.items():
        (constant if base_name(name) in method.constant_lr else moving).extend(head.parameters())
    groups: list[dict[str, Any]] = [{"params": moving, _CONSTANT: False}]
    if constant:
        groups.append({"params": constant, _CONSTANT: True})
    return groups


def set_lr(optimizer: Optimizer, lr: float) -> None:
    """Set the rate of the groups that follow the schedule."""
    for group in optimizer.param_groups:
        if not group[_CONSTANT]:
            group["lr"] = lr
