"""Barlow Twins: the cross-correlation of two views becomes the identity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.methods.base import Method, Setup, TermLoss, Views, perceptron

_EPS = 1e-5  # batch norm's


def barlow_twins_loss(z1: Tensor, z2: Tensor, *, lamb: float = 0.0051, loss_scale: float = 0.1) -> Tensor:
    """loss_scale · (sum of (1 - c_ii)² + lamb · sum of c_ij², i != j), c the cross-correlation over the batch.

    Args:
        z1, z2: (N,P) projections of two views; standardised here with the biased variance.

    Source:
        Zbontar et al. 2021, arXiv:2103.03230, eq. 1.
    """
    correlation = _standardised(z1).T @ _standardised(z2) / len(z1)
    identity = torch.eye(correlation.shape[0], dtype=correlation.dtype, device=correlation.device)
    squares = (correlation - identity).square()
    on_diagonal = squares.diagonal().sum()
    return loss_scale * (on_diagonal + lamb * (squares.sum() - on_diagonal))


def _standardised(z: Tensor) -> Tensor:
    return (z - z.mean(dim=0)) / (z.var(dim=0, unbiased=False) + _EPS).sqrt()


class BarlowTwins(Method):
    """Three layers, batch norm after the first two."""

    def __init__(self, encoder: Encoder, settings: Mapping[str, Any], setup: Setup) -> None:
        super().__init__(encoder, settings, setup)
        hidden = settings["hidden_dim"]
        self.add_projector(perceptron(self.inputs, hidden, hidden, settings["projection_dim"]))

    def term_loss(self, term: int, views: Views, rows: Tensor) -> TermLoss:
        """Cross-correlation of the two views against the identity."""
        h1, z1, z2 = self.projected(views)
        lamb, loss_scale = self.settings["lambda"], self.settings["loss_scale"]
        return TermLoss(barlow_twins_loss(z1, z2, lamb=lamb, loss_scale=loss_scale), h1.detach(), z1.detach())


METHOD = BarlowTwins
