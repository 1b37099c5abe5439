"""SimSiam: predict one view from the other with one network and no negatives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn import functional

from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.methods.base import Method, Setup, TermLoss, Views, perceptron


def simsiam_loss(p: Tensor, z: Tensor) -> Tensor:
    """-cos(p, z), mean over the batch; one direction.

    Args:
        p: (N,P) predictions of one view.
        z: (N,P) projections of the other; a target, no gradient.

    Source:
        Chen and He 2021, arXiv:2011.10566, eq. 1.
    """
    return -functional.cosine_similarity(p, z.detach(), dim=1).mean()


class SimSiam(Method):
    """The mean of both directions; the predictor's learning rate does not decay."""

    constant_lr = ("predictor",)

    def __init__(self, encoder: Encoder, settings: Mapping[str, Any], setup: Setup) -> None:
        super().__init__(encoder, settings, setup)
        hidden, projection = settings["hidden_dim"], settings["projection_dim"]
        widths = (self.inputs, hidden, hidden, projection)
        self.add_projector(perceptron(*widths, last_norm=True, last_affine=False))
        self.heads["predictor"] = perceptron(projection, settings["predictor_dim"], projection)

    def term_loss(self, term: int, views: Views, rows: Tensor) -> TermLoss:
        """Mean of both directions."""
        h1, z1, z2 = self.projected(views)
        p1, p2 = self.head("predictor", z1), self.head("predictor", z2)
        loss = (simsiam_loss(p1, z2) + simsiam_loss(p2, z1)) / 2
        return TermLoss(loss, h1.detach(), z1.detach())


METHOD = SimSiam
