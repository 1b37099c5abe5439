"""MoCo v2+: both views are queries, against a queue each of what the teacher saw before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.methods.base import Method, Queue, Setup, TermLoss, Views, check_queue, perceptron


def moco_loss(query: Tensor, key: Tensor, queue: Tensor, *, temperature: float = 0.2) -> Tensor:
    """Cross-entropy of finding each query's key among the key and the queue.

    Args:
        query, key: (N,P) projections of student and teacher; the key is a target and gets no gradient.
        queue: (Q,P) rows of unit length.

    Source:
        Chen et al. 2020, arXiv:2003.04297; He et al. 2019, arXiv:1911.05722, eq. 1.
    """
    query = functional.normalize(query, dim=1)
    key = functional.normalize(key.detach(), dim=1)
    positive = (query * key).sum(dim=1, keepdim=True)
    logits = torch.cat([positive, query @ queue.T], dim=1) / temperature
    return functional.cross_entropy(logits, torch.zeros(len(query), dtype=torch.int64, device=query.device))


class MoCoV2Plus(Method):
    """A queue for each view: the keys of view 2 are negatives for queries of view 1, and the other way round."""

    def __init__(self, encoder: Encoder, settings: Mapping[str, Any], setup: Setup) -> None:
        super().__init__(encoder, settings, setup)
        widths = (self.inputs, settings["hidden_dim"], settings["projection_dim"])
        self.add_projector(perceptron(*widths, hidden_norm=False))
        self.add_teacher("projector")
        for _ in range(setup.terms):
            queues = [Queue(settings["queue_size"], settings["projection_dim"]) for _ in range(2)]
            self.states.append(nn.ModuleList(queues))

    @classmethod
    def check(cls, name: str, settings: Mapping[str, Any], setup: Setup) -> None:
        """The queues must be multiples of the batch."""
        super().check(name, settings, setup)
        check_queue(name, settings, setup.batch_size)

    def term_loss(self, term: int, views: Views, rows: Tensor) -> TermLoss:
        """Mean of both directions; each view is compared with the queue of the other."""
        view1, view2 = views.whole
        h1, q1, q2 = self.projected(views)
        k1, k2 = (functional.normalize(self.taught(view), dim=1) for view in (view1, view2))
        queue1, queue2 = self.state(term)
        temperature = self.settings["temperature"]
        loss1 = moco_loss(q1, k2, queue2.items, temperature=temperature)
        loss2 = moco_loss(q2, k1, queue1.items, temperature=temperature)
        self.push_later(queue1, k1)
        self.push_later(queue2, k2)
        return TermLoss((loss1 + loss2) / 2, h1.detach(), q1.detach())


METHOD = MoCoV2Plus
