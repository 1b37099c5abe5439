"""BYOL: predict what a slowly following teacher makes of the other view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn import functional

from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.methods.base import Method, Setup, TermLoss, Views, perceptron


def byol_loss(p: Tensor, z: Tensor) -> Tensor:
    """2 - 2·cos(p, z), mean over the batch; one direction.

    Args:
        p: (N,P) predictions.
        z: (N,P) the teacher's projections; a target, no gradient.

    Source:
        Grill et al. 2020, arXiv:2006.07733, eq. 2.
    """
    return cosine_distance(p, z.detach())


def cosine_distance(a: Tensor, b: Tensor) -> Tensor:
    """2 - 2·cos of the rows, their mean: the squared distance of rows of unit length."""
    return 2 - 2 * functional.cosine_similarity(a, b, dim=1).mean()


class BYOL(Method):
    """The sum of both directions."""

    def __init__(self, encoder: Encoder, settings: Mapping[str, Any], setup: Setup) -> None:
        super().__init__(encoder, settings, setup)
        projection = settings["projection_dim"]
        self.add_projector(perceptron(self.inputs, settings["hidden_dim"], projection))
        self.heads["predictor"] = perceptron(projection, settings["predictor_dim"], projection)
        self.add_teacher("projector")

    def term_loss(self, term: int, views: Views, rows: Tensor) -> TermLoss:
        """Sum of both directions."""
        view1, view2 = views.whole
        h1, z1, z2 = self.projected(views)
        p1, p2 = self.head("predictor", z1), self.head("predictor", z2)
        loss = byol_loss(p1, self.taught(view2)) + byol_loss(p2, self.taught(view1))
        return TermLoss(loss, h1.detach(), z1.detach())


METHOD = BYOL
