"""LeJEPA: views meet in their middle, and embeddings are kept an isotropic Gaussian cloud (SIGReg)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ssrl_core.compositions.pixels import send
from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.methods.base import Method, Setup, TermLoss, Views, perceptron

_KNOTS, _REACH = 17, 5.0  # of the integral over t


def sigreg(z: Tensor, directions: Tensor) -> Tensor:
    """How far a cloud of points is from a standard Gaussian: the Epps-Pulley statistic of its shadows, their mean.

    A shadow's empirical characteristic function is compared with exp(-t²/2): N times the integral over t in -5..5 of
    the squared difference times exp(-t²/2), by the trapezoid rule with 17 knots.

    Args:
        z: (N,P) projections of one view.
        directions: (P,M) of unit length, each a shadow.

    Source:
        Balestriero and LeCun 2025, arXiv:2511.08544, section 4 and algorithm 1; Epps and Pulley 1983.
    """
    # the integrand is even: t in 0..5 counts twice
    knots = torch.arange(_KNOTS // 2 + 1, dtype=z.dtype, device=z.device) * (2 * _REACH / (_KNOTS - 1))
    gaussian = (-knots.square() / 2).exp()
    turned = (z @ directions)[..., None] * knots
    real, imaginary = turned.cos().mean(dim=0), turned.sin().mean(dim=0)
    apart = ((real - gaussian).square() + imaginary.square()) * gaussian
    return 2 * len(z) * torch.trapezoid(apart, knots, dim=1).mean()


def lejepa_loss(
    whole: Sequence[Tensor], local: Sequence[Tensor], directions: Tensor, *, weight: float = 0.05
) -> Tensor:
    """(1 - weight)·squared distance of all views to the mean of the whole ones + weight·mean of `sigreg` over views.

    Args:
        whole, local: (N,P) projections of each view; gradients flow through the mean too.
        directions: (P,M) of unit length.

    Source:
        Balestriero and LeCun 2025, arXiv:2511.08544, section 5 (mean over dimensions, as its code does).
    """
    middle = torch.stack(list(whole)).mean(dim=0)
    views = [*whole, *local]
    distance = torch.stack([functional.mse_loss(view, middle) for view in views]).mean()
    spread = torch.stack([sigreg(view, directions) for view in views]).mean()
    return (1 - weight) * distance + weight * spread


class LeJEPA(Method):
    """Batch norm after both hidden layers; no teacher, no queue, no stopped gradient."""

    local_views = True

    def __init__(self, encoder: Encoder, settings: Mapping[str, Any], setup: Setup) -> None:
        super().__init__(encoder, settings, setup)
        hidden = settings["hidden_dim"]
        self.add_projector(perceptron(self.inputs, hidden, hidden, settings["projection_dim"]))

    def term_loss(self, term: int, views: Views, rows: Tensor) -> TermLoss:
        """All views against their middle, each of them kept Gaussian along new directions at every step."""
        embeddings, projections = self.all_projected(views.all)
        whole = len(views.whole)
        drawn = self.chance(term).standard_normal((self.settings["projection_dim"], self.settings["slices"]))
        directions = functional.normalize(send(drawn, rows.device, projections[0].dtype), dim=0)
        weight = self.settings["sigreg_weight"]
        loss = lejepa_loss(projections[:whole], projections[whole:], directions, weight=weight)
        return TermLoss(loss, embeddings[0].detach(), projections[0].detach())


METHOD = LeJEPA
