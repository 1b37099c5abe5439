"""SwAV: predict the balanced assignment of one view to prototypes from another view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.methods.base import Method, Setup, TermLoss, Views, perceptron


def swav_loss(logits: Sequence[Tensor], assignments: Sequence[Tensor], *, temperature: float = 0.1) -> Tensor:
    """Cross-entropy of each view's assignment against the prediction of every other view, mean over the pairs.

    Args:
        logits: V tensors (N,K), similarities to the prototypes; the first ones are of the whole views.
        assignments: (N,K) for each whole view, rows sum to 1; targets, no gradient.

    Source:
        Caron et al. 2020, arXiv:2006.09882, eq. 1 and 2.
    """
    predictions = [functional.log_softmax(view / temperature, dim=1) for view in logits]
    losses = []
    for target, assignment in enumerate(assignments):
        pairs = [-(assignment * p).sum(dim=1).mean() for view, p in enumerate(predictions) if view != target]
        losses.append(sum(pairs[1:], pairs[0]) / len(pairs))
    return sum(losses[1:], losses[0]) / len(losses)


@torch.no_grad()
def sinkhorn(logits: Tensor, *, iterations: int = 3, epsilon: float = 0.05) -> Tensor:
    """(N,K) similarities to assignments whose rows sum to 1 and whose columns are nearly equally full.

    Source:
        Cuturi 2013, arXiv:1306.0895; Caron et al. 2020, arXiv:2006.09882, appendix A.
    """
    weights = torch.exp((logits - logits.max()) / epsilon)  # the shift cancels, and keeps exp from overflowing
    weights = weights / weights.sum()
    for _ in range(iterations):
        weights = weights / weights.sum(dim=0, keepdim=True) / logits.shape[1]
        weights = weights / weights.sum(dim=1, keepdim=True) / logits.shape[0]
    return weights * logits.shape[0]


class ShiftQueue(nn.Module):
    """The newest projections first, one row of places for each whole view; the batch need not divide the size."""

    items: Tensor

    def __init__(self, views: int, size: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("items", torch.zeros(views, size, dim))

    @torch.no_grad()
    def push(self, rows: Tensor) -> None:
        """(views, B, dim) in front; the oldest drop out."""
        self.items.copy_(torch.cat([rows.detach(), self.items], dim=1)[:, : self.items.shape[1]])


class SwAV(Method):
    """Prototypes are unit vectors without bias; each term has its own queue."""

    local_views = True

    def __init__(self, encoder: Encoder, settings: Mapping[str, Any], setup: Setup) -> None:
        super().__init__(encoder, settings, setup)
        projection = settings["projection_dim"]
        self.add_projector(perceptron(self.inputs, settings["hidden_dim"], projection))
        self.heads["prototypes"] = nn.Linear(projection, settings["prototypes"], bias=False)
        unit_rows(self.heads["prototypes"])
        for _ in range(setup.terms):
            self.states.append(ShiftQueue(2, settings["queue_size"], projection))

    def term_loss(self, term: int, views: Views, rows: Tensor) -> TermLoss:
        """Every view predicts the assignments of the other whole views."""
        embeddings, projections = self.all_projected(views.all)
        projections = [functional.normalize(z, dim=1) for z in projections]
        weight = self.heads[self.own("prototypes")].get_parameter("weight")
        logits = [z @ weight.T for z in projections]
        whole = len(views.whole)
        assignments = [self._assign(term, view, logits[view].detach(), weight.detach()) for view in range(whole)]
        loss = swav_loss(logits, assignments, temperature=self.settings["temperature"])
        self.push_later(self.state(term), torch.stack(projections[:2]), dim=1)
        return TermLoss(loss, embeddings[0].detach(), projections[0].detach())

    def before_step(self) -> None:
        """The prototypes stay as they are in the first epochs."""
        if self.epoch < self.settings["freeze_prototypes_epochs"]:
            for head in self.every("prototypes"):
                head.get_parameter("weight").grad = None

    def after_step(self, tau: float) -> None:
        """The prototypes go back to length 1."""
        super().after_step(tau)
        for head in self.every("prototypes"):
            unit_rows(head)

    def _assign(self, term: int, view: int, logits: Tensor, weight: Tensor) -> Tensor:
        count = len(logits)
        if self.epoch >= self.settings["queue_from_epoch"] and view < 2:
            logits = torch.cat([logits, self.state(term).items[view] @ weight.T])
        iterations, epsilon = self.settings["sinkhorn_iterations"], self.settings["sinkhorn_epsilon"]
        return sinkhorn(logits, iterations=iterations, epsilon=epsilon)[:count]


@torch.no_grad()
def unit_rows(prototypes: nn.Module) -> None:
    """Bring each prototype to length 1, in place."""
    weight = prototypes.get_parameter("weight")
    weight.copy_(functional.normalize(weight, dim=1))


METHOD = SwAV
