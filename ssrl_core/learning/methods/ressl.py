"""ReSSL: the similarities to a queue that the teacher finds in a weak view are kept under strong changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn import functional

from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.methods.base import Method, Queue, Setup, TermLoss, Views, check_queue, perceptron


def ressl_loss(
    q: Tensor, k: Tensor, queue: Tensor, *, temperature: float = 0.1, teacher_temperature: float = 0.04
) -> Tensor:
    """Cross-entropy of the teacher's similarities to the queue against the student's.

    Args:
        q: (N,P) the student's projections of the strong view.
        k: (N,P) the teacher's of the weak view; targets, no gradient.
        queue: (Q,P) rows of unit length.

    Source:
        Zheng et al. 2021, arXiv:2107.09282, eq. 6.
    """
    q, k = functional.normalize(q, dim=1), functional.normalize(k.detach(), dim=1)
    wanted = functional.softmax(k @ queue.T / teacher_temperature, dim=1)
    found = functional.log_softmax(q @ queue.T / temperature, dim=1)
    return -(wanted * found).sum(dim=1).mean()


class ReSSL(Method):
    """One direction: the student sees view 1, the teacher view 2 (weak, in a composition with two view groups)."""

    def __init__(self, encoder: Encoder, settings: Mapping[str, Any], setup: Setup) -> None:
        super().__init__(encoder, settings, setup)
        widths = (self.inputs, settings["hidden_dim"], settings["projection_dim"])
        self.add_projector(perceptron(*widths, hidden_norm=False))
        self.add_teacher("projector")
        for _ in range(setup.terms):
            self.states.append(Queue(settings["queue_size"], settings["projection_dim"]))

    @classmethod
    def check(cls, name: str, settings: Mapping[str, Any], setup: Setup) -> None:
        """The queue must be a multiple of the batch."""
        super().check(name, settings, setup)
        check_queue(name, settings, setup.batch_size)

    def term_loss(self, term: int, views: Views, rows: Tensor) -> TermLoss:
        """Student on view 1 against teacher on view 2."""
        strong, weak = views.whole
        h = self.embed(strong)
        q, k = self.project(h, strong), self.taught(weak)
        queue = self.state(term)
        loss = ressl_loss(
            q,
            k,
            queue.items,
            temperature=self.settings["temperature"],
            teacher_temperature=self.settings["teacher_temperature"],
        )
        self.push_later(queue, functional.normalize(k, dim=1))
        return TermLoss(loss, h.detach(), q.detach())


METHOD = ReSSL
