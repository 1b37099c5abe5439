"""NNCLR: as SimCLR, with the queue's row nearest to one view in that view's place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.methods.base import Method, Queue, Setup, TermLoss, Views, check_queue, nearest, perceptron


def nnclr_loss(neighbour: Tensor, p: Tensor, *, temperature: float = 0.2) -> Tensor:
    """Cross-entropy of finding each neighbour's prediction among the N predictions of the batch; one direction.

    Args:
        neighbour: (N,P) rows of the queue, targets without gradient.
        p: (N,P) predictions of the other view.

    Source:
        Dwibedi et al. 2021, arXiv:2104.14548, eq. 4.
    """
    neighbour, p = functional.normalize(neighbour.detach(), dim=1), functional.normalize(p, dim=1)
    return functional.cross_entropy(neighbour @ p.T / temperature, torch.arange(len(p), device=p.device))


class NNCLR(Method):
    """The mean of both directions; only the first view is queued."""

    def __init__(self, encoder: Encoder, settings: Mapping[str, Any], setup: Setup) -> None:
        super().__init__(encoder, settings, setup)
        hidden, projection = settings["hidden_dim"], settings["projection_dim"]
        self.add_projector(perceptron(self.inputs, hidden, hidden, projection, last_norm=True))
        self.heads["predictor"] = perceptron(projection, settings["predictor_dim"], projection)
        for _ in range(setup.terms):
            self.states.append(Queue(settings["queue_size"], projection))

    @classmethod
    def check(cls, name: str, settings: Mapping[str, Any], setup: Setup) -> None:
        """The queue must be a multiple of the batch."""
        super().check(name, settings, setup)
        check_queue(name, settings, setup.batch_size)

    def term_loss(self, term: int, views: Views, rows: Tensor) -> TermLoss:
        """Mean of both directions, from the queue's nearest rows."""
        h1, z1, z2 = self.projected(views)
        p1, p2 = self.head("predictor", z1), self.head("predictor", z2)
        unit1, unit2 = (functional.normalize(z.detach(), dim=1) for z in (z1, z2))
        queue, temperature = self.state(term), self.settings["temperature"]
        loss1 = nnclr_loss(nearest(unit1, queue.items), p2, temperature=temperature)
        loss2 = nnclr_loss(nearest(unit2, queue.items), p1, temperature=temperature)
        self.push_later(queue, unit1)
        return TermLoss((loss1 + loss2) / 2, h1.detach(), z1.detach())


METHOD = NNCLR
