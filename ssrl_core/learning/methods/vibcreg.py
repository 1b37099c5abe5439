"""VIbCReg: as VICReg, with whitened projections and correlations in the place of covariances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from ssrl_core.errors import SpecError
from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.methods.base import Method, Setup, TermLoss, Views
from ssrl_core.learning.methods.heads import perceptron
from ssrl_core.learning.methods.vicreg import variance_term, weights
from ssrl_core.learning.methods.whitening import IterativeWhitening


def vibcreg_loss(
    z1: Tensor, z2: Tensor, *, invariance: float = 25.0, variance: float = 25.0, covariance: float = 200.0
) -> Tensor:
    """invariance·mse + variance·(v1 + v2) + covariance·(r1 + r2), r of the correlation matrix.

    Args:
        z1, z2: (N,P) whitened projections of two views.

    Source:
        Lee and Aune 2021, arXiv:2109.00783, section 3.
    """
    spread = variance_term(z1) + variance_term(z2)
    related = correlation_term(z1) + correlation_term(z2)
    return invariance * functional.mse_loss(z1, z2) + variance * spread + covariance * related


def correlation_term(z: Tensor) -> Tensor:
    """Mean over all P² entries of the squared correlations of different dimensions (the diagonal counts as 0)."""
    unit = functional.normalize(z - z.mean(dim=0), dim=0)
    squares = (unit.T @ unit).square()
    return (squares.sum() - squares.diagonal().sum()) / squares.numel()


class VIbCReg(Method):
    """GELU projector, then iterative whitening; LARS without clipping."""

    lars_clips = False

    def __init__(self, encoder: Encoder, settings: Mapping[str, Any], setup: Setup) -> None:
        super().__init__(encoder, settings, setup)
        hidden, projection = settings["hidden_dim"], settings["projection_dim"]
        layers = perceptron(encoder.dim, hidden, hidden, projection, activation=nn.GELU)
        self.heads["projector"] = layers
        self.heads["whitening"] = IterativeWhitening(
            projection, groups=settings["whitening_groups"], iterations=settings["whitening_iterations"]
        )

    @classmethod
    def check(cls, name: str, settings: Mapping[str, Any], setup: Setup) -> None:
        """The groups must divide the projection."""
        super().check(name, settings, setup)
        if settings["projection_dim"] % settings["whitening_groups"]:
            raise SpecError(
                where=f"Method {name}",
                field="whitening_groups",
                rule=f"a divisor of projection_dim ({settings['projection_dim']})",
                value=settings["whitening_groups"],
                remedy="Choose a divisor, such as 1, 2, 4 or 8.",
            )

    def term_loss(self, term: int, views: Views, rows: Tensor) -> TermLoss:
        """Invariance, variance and correlation of the two whitened views."""
        h1, *projections = self.projected(views)
        # whitening multiplies matrices many times over: it stays in float32
        z1, z2 = (self.heads[self.own("whitening")](z) for z in projections)
        return TermLoss(vibcreg_loss(z1, z2, **weights(self.settings)), h1.detach(), z1.detach())


METHOD = VIbCReg
