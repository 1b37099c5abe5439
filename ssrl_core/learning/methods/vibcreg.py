"""VIbCReg: as VICReg, with whitened projections and correlations in the place of covariances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ssrl_core.errors import SpecError
from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.methods.base import Method, Setup, TermLoss, Views, perceptron
from ssrl_core.learning.methods.vicreg import variance_term, weights

_EPS = 1e-5


class IterativeWhitening(nn.Module):
    """(N,P) to (N,P): in each group of P/groups neighbouring dimensions, mean 0 and covariance nearly the identity.

    Always of the batch at hand (it is part of a loss, never of an embedding), followed by a learned scale and shift.

    Source:
        Huang et al. 2019, arXiv:1904.03441, algorithm 1.
    """

    def __init__(self, dim: int, *, groups: int = 64, iterations: int = 5) -> None:
        super().__init__()
        self.groups, self.iterations = groups, iterations
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, z: Tensor) -> Tensor:
        """(N,P) to (N,P)."""
        return whiten(z, groups=self.groups, iterations=self.iterations) * self.weight + self.bias


def whiten(z: Tensor, *, groups: int, iterations: int) -> Tensor:
    """The whitening alone; P is a multiple of groups."""
    count, dim = z.shape
    x = z.T.reshape(groups, dim // groups, count)
    x = x - x.mean(dim=2, keepdim=True)
    identity = torch.eye(dim // groups, dtype=z.dtype, device=z.device).expand(groups, -1, -1)
    covariance = torch.baddbmm(identity, x, x.transpose(1, 2), beta=_EPS, alpha=1.0 / count)
    inverse_trace = 1 / covariance.diagonal(dim1=1, dim2=2).sum(dim=1).view(-1, 1, 1)
    scaled = covariance * inverse_trace
    root = identity
    for _ in range(iterations):  # converges to scaled^(-1/2)
        root = torch.baddbmm(root, root @ root @ root, scaled, beta=1.5, alpha=-0.5)
    white = root * inverse_trace.sqrt() @ x
    return white.reshape(dim, count).T


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
        layers = perceptron(self.inputs, hidden, hidden, projection, activation=nn.GELU)
        self.add_projector(layers)
        self.heads["whitening"] = IterativeWhitening(
            projection, groups=settings["whitening_groups"], iterations=settings["whitening_iterations"]
        )

    @classmethod
    def check(cls, name: str, settings: Mapping[str, Any], setup: Setup) -> None:
        """The groups must divide the projection."""
        super().check(name, settings, setup)
        if settings["projection_dim"] % settings["whitening_groups"]:
            raise SpecError.at(
                f"Method {name}",
                "whitening_groups",
                f"a divisor of projection_dim ({settings['projection_dim']})",
                settings["whitening_groups"],
                "Choose a divisor, such as 1, 2, 4 or 8.",
            )

    def term_loss(self, term: int, views: Views, rows: Tensor) -> TermLoss:
        """Invariance, variance and correlation of the two whitened views."""
        h1, *projections = self.projected(views)
        # whitening multiplies matrices many times over: it stays in float32
        z1, z2 = (self.heads[self.own("whitening")](z) for z in projections)
        return TermLoss(vibcreg_loss(z1, z2, **weights(self.settings)), h1.detach(), z1.detach())


METHOD = VIbCReg
