"""VICReg: two views come together while dimensions stay spread and unrelated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn import functional

from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.methods.base import Method, Setup, TermLoss, Views, perceptron

_EPS = 1e-4


def vicreg_loss(
    z1: Tensor, z2: Tensor, *, invariance: float = 25.0, variance: float = 25.0, covariance: float = 1.0
) -> Tensor:
    """invariance·mse(z1, z2) + variance·(v(z1) + v(z2)) + covariance·(c(z1) + c(z2)).

    Args:
        z1, z2: (N,P) projections of two views, N >= 2.

    Source:
        Bardes et al. 2022, arXiv:2105.04906, eq. 6; the two variances are added, as solo-learn does.
    """
    spread = variance_term(z1) + variance_term(z2)
    related = covariance_term(z1) + covariance_term(z2)
    return invariance * functional.mse_loss(z1, z2) + variance * spread + covariance * related


def variance_term(z: Tensor) -> Tensor:
    """Mean over dimensions of relu(1 - sd), the sd unbiased and softened by 1e-4 under the root."""
    return functional.relu(1 - (z.var(dim=0) + _EPS).sqrt()).mean()


def covariance_term(z: Tensor) -> Tensor:
    """Sum of the squared covariances of different dimensions, divided by the number of dimensions."""
    centred = z - z.mean(dim=0)
    covariance = centred.T @ centred / (len(z) - 1)
    squares = covariance.square()
    return (squares.sum() - squares.diagonal().sum()) / z.shape[1]


class VICReg(Method):
    """Three layers, batch norm after the first two."""

    def __init__(self, encoder: Encoder, settings: Mapping[str, Any], setup: Setup) -> None:
        super().__init__(encoder, settings, setup)
        hidden = settings["hidden_dim"]
        self.add_projector(perceptron(self.inputs, hidden, hidden, settings["projection_dim"]))

    def term_loss(self, term: int, views: Views, rows: Tensor) -> TermLoss:
        """Invariance, variance and covariance of the two views."""
        h1, z1, z2 = self.projected(views)
        return TermLoss(vicreg_loss(z1, z2, **weights(self.settings)), h1.detach(), z1.detach())


def weights(settings: Mapping[str, Any]) -> dict[str, float]:
    """The three weights as the loss names them."""
    return {name: settings[f"{name}_weight"] for name in ("invariance", "variance", "covariance")}


METHOD = VICReg
