"""NNBYOL: as BYOL, with the queue's row nearest to the teacher's projection as target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn import functional

from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.methods.base import Queue, Setup, TermLoss, Views, check_queue, nearest
from ssrl_core.learning.methods.byol import BYOL, byol_loss


def nnbyol_loss(p1: Tensor, p2: Tensor, z1: Tensor, z2: Tensor, queue: Tensor) -> Tensor:
    """The sum of both directions of 2 - 2·cos(p, nearest row to z).

    Args:
        p1, p2: (N,P) predictions.
        z1, z2: (N,P) the teacher's projections.
        queue: (Q,P) rows of unit length.

    Source:
        Dwibedi et al. 2021, arXiv:2104.14548; Grill et al. 2020, arXiv:2006.07733.
    """
    nn1, nn2 = (nearest(functional.normalize(z.detach(), dim=1), queue) for z in (z1, z2))
    return byol_loss(p1, nn2) + byol_loss(p2, nn1)


class NNBYOL(BYOL):
    """Only the first view is queued."""

    def __init__(self, encoder: Encoder, settings: Mapping[str, Any], setup: Setup) -> None:
        super().__init__(encoder, settings, setup)
        for _ in range(setup.terms):
            self.states.append(Queue(settings["queue_size"], settings["projection_dim"]))

    @classmethod
    def check(cls, name: str, settings: Mapping[str, Any], setup: Setup) -> None:
        """The queue must be a multiple of the batch."""
        super().check(name, settings, setup)
        check_queue(name, settings, setup.batch_size)

    def term_loss(self, term: int, views: Views, rows: Tensor) -> TermLoss:
        """Sum of both directions, towards the queue's nearest rows."""
        view1, view2 = views.whole
        h1, z1, z2 = self.projected(views)
        p1, p2 = self.head("predictor", z1), self.head("predictor", z2)
        taught1, taught2 = self.taught(view1), self.taught(view2)
        queue = self.state(term)
        loss = nnbyol_loss(p1, p2, taught1, taught2, queue.items)
        self.push_later(queue, functional.normalize(taught1, dim=1))
        return TermLoss(loss, h1.detach(), z1.detach())


METHOD = NNBYOL
