"""DINO: the student's answer follows the sharpened, centred answer of the teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.methods.base import Method, Setup, TermLoss, Views


def dino_loss(
    student: Sequence[Tensor],
    teacher: Sequence[Tensor],
    center: Tensor,
    *,
    temperature: float = 0.1,
    teacher_temperature: float = 0.07,
) -> Tensor:
    """Cross-entropy of the teacher's answer to one view against the student's to every other view, mean over pairs.

    Args:
        student: V tensors (N,K); the first ones are of the views that the teacher saw.
        teacher: (N,K) for each whole view; targets, no gradient.
        center: (1,K) or (K,), subtracted from the teacher.

    Source:
        Caron et al. 2021, arXiv:2104.14294, algorithm 1 and eq. 3.
    """
    wanted = [functional.softmax((t.detach() - center) / teacher_temperature, dim=1) for t in teacher]
    found = [functional.log_softmax(s / temperature, dim=1) for s in student]
    pairs = [-(w * f).sum(dim=1).mean() for i, w in enumerate(wanted) for j, f in enumerate(found) if i != j]
    return sum(pairs[1:], pairs[0]) / len(pairs)


def moved_center(center: Tensor, teacher: Sequence[Tensor], *, momentum: float = 0.9) -> Tensor:
    """momentum·center + (1 - momentum)·mean of the teacher's answers to all views of the batch."""
    return center * momentum + torch.cat(list(teacher)).mean(dim=0) * (1 - momentum)


class DinoHead(nn.Module):
    """Three layers with GELU, unit length, then prototypes of unit length (weight norm with its scale fixed at 1)."""

    def __init__(self, dim: int, hidden: int, bottleneck: int, prototypes: int) -> None:
        super().__init__()
        widths = (dim, hidden, hidden, bottleneck)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [_linear(inputs, outputs), nn.GELU()]
        self.layers = nn.Sequential(*layers[:-1])
        self.prototypes = nn.Parameter(torch.empty(prototypes, bottleneck))
        nn.init.kaiming_uniform_(self.prototypes, a=5**0.5)

    def forward(self, h: Tensor) -> Tensor:
        """(N,D) embeddings to (N,K) similarities to the prototypes."""
        z = functional.normalize(self.layers(h), dim=1)
        return functional.linear(z, functional.normalize(self.prototypes, dim=1))


class Center(nn.Module):
    """The running mean of the teacher's answers, (1,K)."""

    value: Tensor

    def __init__(self, prototypes: int, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("value", torch.zeros(1, prototypes))

    @torch.no_grad()
    def push(self, rows: Tensor) -> None:
        """Move on by the answers (N,K) to all views of a batch."""
        self.value.copy_(moved_center(self.value, [rows], momentum=self.momentum))


class Dino(Method):
    """One centre a term; the prototypes stay for the first epochs."""

    local_views = True

    def __init__(self, encoder: Encoder, settings: Mapping[str, Any], setup: Setup) -> None:
        super().__init__(encoder, settings, setup)
        widths = (settings["hidden_dim"], settings["projection_dim"], settings["prototypes"])
        self.add_projector(DinoHead(self.inputs, *widths))
        self.add_teacher("projector")
        for _ in range(setup.terms):
            self.states.append(Center(settings["prototypes"], settings["center_momentum"]))

    def term_loss(self, term: int, views: Views, rows: Tensor) -> TermLoss:
        """Every student view against the other views of the teacher; then the centre moves on."""
        embeddings, student = self.all_projected(views.all)
        teacher = [self.taught(view) for view in views.whole]
        center = self.state(term).value
        loss = dino_loss(
            student,
            teacher,
            center,
            temperature=self.settings["temperature"],
            teacher_temperature=self.settings["teacher_temperature"],
        )
        self.push_later(self.state(term), torch.cat(teacher))
        return TermLoss(loss, embeddings[0].detach(), student[0].detach())

    def projection(self, projector: nn.Module) -> nn.Module:
        """The layers before the prototypes: prototypes stand where other methods have none, or one head more."""
        layers: nn.Module = projector.layers  # type: ignore[assignment]
        return layers

    def before_step(self) -> None:
        """The prototypes stay as they are in the first epochs."""
        if self.epoch < self.settings["freeze_prototypes_epochs"]:
            for head in self.every("projector"):
                for name, weight in head.named_parameters():
                    if name.endswith("prototypes"):
                        weight.grad = None


def _linear(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.trunc_normal_(layer.weight, std=0.02)
    nn.init.zeros_(layer.bias)
    return layer


METHOD = Dino
