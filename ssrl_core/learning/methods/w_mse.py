"""W-MSE: the whitened projections of two views come together; whitening keeps them from collapsing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ssrl_core.compositions.pixels import send
from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.methods.base import Method, Setup, TermLoss, Views, perceptron
from ssrl_core.learning.methods.byol import cosine_distance

_RIDGE = 1e-4  # a group whose rows span fewer dimensions has a covariance that no root is taken of


def cholesky_whitened(z: Tensor, order: Tensor, *, size: int) -> Tensor:
    """(N,P) to (N,P): in each group of `size` rows, mean 0 and the identity as covariance.

    Args:
        order: (N,) int64, the rows in the order in which they are cut into groups.
        size: rows of a group, more than P; divides N.

    Source:
        Ermolov et al. 2021, arXiv:2007.06346, section 3 (Cholesky whitening, batch slicing).
    """
    groups = z[order].view(-1, size, z.shape[1])
    centred = groups - groups.mean(dim=1, keepdim=True)
    covariance = centred.transpose(1, 2) @ centred / (size - 1)
    identity = torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
    root, _ = torch.linalg.cholesky_ex((1 - _RIDGE) * covariance + _RIDGE * identity)  # asks nobody whether it worked
    white = torch.linalg.solve_triangular(root, centred.transpose(1, 2), upper=False).transpose(1, 2)
    return torch.zeros_like(z).index_copy(0, order, white.reshape(z.shape))


def w_mse_loss(z1: Tensor, z2: Tensor, orders: Tensor, *, size: int) -> Tensor:
    """2 - 2·cos of the whitened projections, mean over the batch and over the ways to cut it.

    Args:
        z1, z2: (N,P) projections of two views.
        orders: (draws,N) int64, permutations of the rows; both views are cut alike, and whitened apart.

    Source:
        Ermolov et al. 2021, arXiv:2007.06346, eq. 5.
    """
    cut = [(cholesky_whitened(z1, order, size=size), cholesky_whitened(z2, order, size=size)) for order in orders]
    return torch.stack([cosine_distance(one, other) for one, other in cut]).mean()


class WMSE(Method):
    """One hidden layer with batch norm."""

    def __init__(self, encoder: Encoder, settings: Mapping[str, Any], setup: Setup) -> None:
        super().__init__(encoder, settings, setup)
        self.add_projector(perceptron(self.inputs, settings["hidden_dim"], settings["projection_dim"]))

    def term_loss(self, term: int, views: Views, rows: Tensor) -> TermLoss:
        """The two views, whitened in groups that are drawn anew at every step."""
        h1, z1, z2 = self.projected(views)
        chance = self.chance(term)
        drawn = [chance.permutation(len(z1)) for _ in range(self.settings["whitening_draws"])]
        orders = send(np.stack(drawn), rows.device, torch.int64)
        loss = w_mse_loss(z1, z2, orders, size=self.settings["whitening_size"])
        return TermLoss(loss, h1.detach(), z1.detach())


METHOD = WMSE
