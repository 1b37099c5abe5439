"""Optimizers by name (sgd, lars, adam, adamw), and the learning rate at every step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ssrl_core.errors import SpecError
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
    raise SpecError.at("Optimizer", "name", "sgd, lars, adam or adamw", name, "Use sgd.")


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


@dataclass(frozen=True)
class Schedule:
    """Linear warm-up, then a cosine (or a constant rate), by step.

    Attributes:
        base: rate after the warm-up.
        steps: all steps of the run.
        warmup_steps: steps of the warm-up; its last one has the base rate.
        warmup_lr: rate of step 0, where there is a warm-up.
        final_lr: where the cosine ends.
        name: "cosine" or "constant".
    """

    base: float
    steps: int
    warmup_steps: int = 0
    warmup_lr: float = 0.0
    final_lr: float = 0.0
    name: str = "cosine"

    def lr(self, step: int) -> float:
        """Rate of a step, 0 <= step < steps."""
        if step < self.warmup_steps:
            return self.warmup_lr + step * (self.base - self.warmup_lr) / max(1, self.warmup_steps - 1)
        if self.name == "constant":
            return self.base
        done = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        return self.final_lr + 0.5 * (self.base - self.final_lr) * (1 + math.cos(math.pi * done))


_EPS = 1e-8


class LARS(Optimizer):
    """SGD with momentum, each tensor's gradient scaled by eta·|w| / (|g| + weight_decay·|w|).

    Args:
        params: parameters or groups.
        lr, momentum, weight_decay: as in SGD.
        eta: trust coefficient.
        clip: the scale is at most 1 once it is divided by lr, so that no layer steps further than with SGD.
        exclude_bias_and_norm: tensors of one dimension get plain SGD without weight decay.

    Source:
        You et al. 2017, arXiv:1708.03888; variant and defaults as solo-learn's.
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        eta: float = 0.02,
        clip: bool = True,
        exclude_bias_and_norm: bool = True,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "eta": eta,
            "clip": clip,
            "exclude_bias_and_norm": exclude_bias_and_norm,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step; nothing waits for the device."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if params:
                self._step(group, params)
        return loss

    def _step(self, group: dict[str, Any], params: list[Tensor]) -> None:
        gradients = [_gradient(p) for p in params]
        scaled = [i for i, p in enumerate(params) if p.ndim != 1 or not group["exclude_bias_and_norm"]]
        for i, gradient in zip(scaled, _scaled(group, [params[i] for i in scaled]), strict=True):
            gradients[i] = gradient
        fresh = [i for i, p in enumerate(params) if "momentum" not in self.state[p]]
        for i in fresh:
            self.state[params[i]]["momentum"] = torch.zeros_like(params[i])
        buffers = [self.state[p]["momentum"] for p in params]
        torch._foreach_mul_(buffers, group["momentum"])
        torch._foreach_add_(buffers, gradients)
        torch._foreach_add_(params, buffers, alpha=-group["lr"])


def _scaled(group: dict[str, Any], params: list[Tensor]) -> list[Tensor]:
    """Gradients with weight decay, times the layer's scale."""
    if not params:
        return []
    decay, gradients = group["weight_decay"], [_gradient(p) for p in params]
    lengths, steepness = torch._foreach_norm(params), torch._foreach_norm(gradients)
    scales, decays = [], []
    for length, steep in zip(lengths, steepness, strict=True):
        scale = group["eta"] * length / (steep + decay * length + _EPS)
        if group["clip"]:
            scale = (scale / group["lr"]).clamp(max=1.0) if group["lr"] > 0 else torch.ones_like(scale)
        known = (length > 0) & (steep > 0)  # else the gradient stays as it is, without weight decay
        scales.append(torch.where(known, scale, torch.ones_like(scale)))
        decays.append(known * decay)
    return list(torch._foreach_mul(torch._foreach_add(gradients, torch._foreach_mul(params, decays)), scales))


def _gradient(parameter: Tensor) -> Tensor:
    if parameter.grad is None:
        raise ValueError("a parameter without gradient")
    return parameter.grad
