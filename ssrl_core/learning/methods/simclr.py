"""SimCLR: each view finds its partner among all other views of the batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.methods.base import Method, Setup, TermLoss, Views, perceptron


def simclr_loss(z1: Tensor, z2: Tensor, *, temperature: float = 0.2) -> Tensor:
    """NT-Xent over the 2N-1 other views.

    Args:
        z1, z2: (N,P) projections of two views; any length (cosine is used).

    Source:
        Chen et al. 2020, arXiv:2002.05709, eq. 1.
    """
    n = len(z1)
    z = functional.normalize(torch.cat([z1, z2]), dim=1)
    itself = torch.eye(2 * n, dtype=torch.bool, device=z.device)
    logits = (z @ z.T / temperature).masked_fill(itself, float("-inf"))
    partner = torch.arange(2 * n, device=z.device).roll(n)
    return functional.cross_entropy(logits, partner)


class SimCLR(Method):
    """Projector hidden-projection without batch norm."""

    def __init__(self, encoder: Encoder, settings: Mapping[str, Any], setup: Setup) -> None:
        super().__init__(encoder, settings, setup)
        widths = (self.inputs, settings["hidden_dim"], settings["projection_dim"])
        self.add_projector(perceptron(*widths, hidden_norm=False))

    def term_loss(self, term: int, views: Views, rows: Tensor) -> TermLoss:
        """NT-Xent between the two views."""
        h1, z1, z2 = self.projected(views)
        loss = simclr_loss(z1, z2, temperature=self.settings["temperature"])
        return TermLoss(loss, h1.detach(), z1.detach())


METHOD = SimCLR
