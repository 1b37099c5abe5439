"""LARS: every layer's step is scaled to the length of its weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

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
