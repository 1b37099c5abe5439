"""What every method is: an encoder, heads that only the loss sees, perhaps a teacher, and a state for each term.

A step of the loop is: `term_loss` for each term, one backward of their weighted sum, `after_backward` (queues move on),
`before_step` (frozen layers), the optimizer, `after_step` (the teacher follows).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ssrl_core.errors import SpecError
from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.ranks import ALONE, Ranks


class Pushed(Protocol):
    """What moves on with each batch: a queue, a centre."""

    def push(self, rows: Tensor) -> None:
        """Take a batch in."""


@dataclass(frozen=True)
class Setup:
    """What a method needs to know of the run.

    Attributes:
        batch_size: images of one forward pass (the run's batch divided by `accumulate`).
        images: train images.
        terms: weighted terms; each has a state of its own.
        own_heads: each term has heads of its own; else all share them.
        seed: of heads and queues.
        precision: type of the forward passes on `device_type`, None for float32.
        ranks: that take the batch together. Views are of a rank's own images, embeddings and all that follows of the
            whole batch.
        told: numbers that the projector is told of a view's draws; 0: it is told nothing.
    """

    batch_size: int
    images: int
    terms: int = 1
    own_heads: bool = False
    seed: int = 5
    precision: torch.dtype | None = None
    device_type: str = "cpu"
    ranks: Ranks = ALONE
    told: int = 0


@dataclass(frozen=True)
class View:
    """One view of a batch: pixels (B,C,S,S), float in 0..1, and what the projector is told of its draws (B,K)."""

    pixels: Tensor
    told: Tensor | None = None


@dataclass
class Views:
    """The views of one term. Teachers see only `whole`."""

    whole: list[View]
    local: list[View]

    @property
    def all(self) -> list[View]:
        """Whole views, then local ones."""
        return [*self.whole, *self.local]


@dataclass
class TermLoss:
    """Loss of one term, and the first view's embedding (B,D) and projection (B,P), detached, for the metrics."""

    loss: Tensor
    embedding: Tensor
    projection: Tensor


def plainly(encoder: Encoder, pixels: Tensor) -> Tensor:
    """(B,D) embeddings of (B,C,S,S) pixels, operation by operation."""
    embedding: Tensor = encoder(pixels)
    return embedding


class Method(nn.Module):
    """Common ground of the methods.

    Attributes:
        encoder: what is kept.
        heads: projector, predictor, prototypes: shared by all terms (or `projector_1` … for the others), trained.
        teacher: slowly following copies, or empty.
        states: one module a term (queues, centre, memory), only buffers, saved with the checkpoint.
        inputs: width of what the projector takes.
        epoch, step: set before each epoch and step, after a resume too.
        term: number of the term at work, set before `term_loss` and `remember`: where each term has heads of its own,
            `head` and `taught` take its own.
        run_encoder: takes an encoder and pixels to embeddings: plainly, or compiled (`learning/compiling.py`).
        first_pass: wants `remember` for every batch before the first step (deepcluster_v2).
        lars_clips: LARS is clipped (False for vibcreg).
        constant_lr: heads whose learning rate stays (simsiam's predictor).
    """

    first_pass = False
    lars_clips = True
    constant_lr: tuple[str, ...] = ()
    local_views = False

    def __init__(self, encoder: Encoder, settings: Mapping[str, Any], setup: Setup) -> None:
        super().__init__()
        self.encoder = encoder
        self.settings = settings
        self.setup = setup
        self.epoch = self.step = 0
        self.term = 0
        self.run_encoder: Callable[[Encoder, Tensor], Tensor] = plainly
        self._waiting: dict[int, tuple[Pushed, int, list[Tensor]]] = {}
        self.inputs = encoder.dim + (TOLD_WIDTH if setup.told else 0)
        self.heads = nn.ModuleDict()
        self.teacher = nn.ModuleDict()
        self.states = nn.ModuleList()

    @classmethod
    def check(cls, name: str, settings: Mapping[str, Any], setup: Setup) -> None:
        """Refuse, before anything is built, what would fail in the middle of a training.

        Raises:
            SpecError: naming the setting and the remedy.
        """
        if setup.batch_size < 2:
            raise SpecError.at(
                f"Method {name}",
                "batch_size",
                "at least 2 (batch norm and the loss compare images)",
                setup.batch_size,
                "Raise batch_size, or lower accumulate.",
            )

    def term_loss(self, term: int, views: Views, rows: Tensor) -> TermLoss:
        """Loss of one term for one batch.

        Args:
            term: number of the term.
            views: its views of the batch (of a rank's share of it).
            rows: (B,) int64, places of the images in the train split (0..images-1).
        """
        raise NotImplementedError

    def begin_epoch(self) -> None:
        """Called once before the first step of each epoch; not again when a run resumes in its middle."""

    def remember(self, term: int, views: Views, rows: Tensor) -> None:
        """Called for each batch before the first step, where `first_pass` is true."""

    def after_backward(self) -> None:
        """Called once all parts of a batch had their backward pass: now queues and centres may change.

        A batch in parts changes them as the whole batch would have: every part met them as they were before.
        """
        for state, dim, rows in self._waiting.values():
            state.push(torch.cat(rows, dim=dim))
        self._waiting.clear()

    def forget(self) -> None:
        """Drop what waits to be pushed: the batch is not taken."""
        self._waiting.clear()

    def before_step(self) -> None:
        """Called between backward and optimizer: drop the gradients of what is frozen in this epoch."""

    def tau(self, step: int, steps: int) -> float:
        """The teacher's momentum at a step: a cosine from momentum_start to momentum_end."""
        if not self.teacher:
            return 0.0
        return momentum_at(step, steps, self.settings["momentum_start"], self.settings["momentum_end"])

    @torch.no_grad()
    def after_step(self, tau: float) -> None:
        """The teacher's parameters become tau·teacher + (1 - tau)·student; batch-norm buffers are its own."""
        for name, copied in self.teacher.items():
            source = self.encoder if name == "encoder" else self.heads[name]
            follow(list(copied.parameters()), list(source.parameters()), tau)

    def push_later(self, state: Pushed, rows: Tensor, *, dim: int = 0) -> None:
        """Push rows once all gradients are there: until then everything needs the state as it was.

        Args:
            state: a queue, or a centre.
            rows: a part of the batch; parts are joined along `dim`.
        """
        self._waiting.setdefault(id(state), (state, dim, []))[2].append(rows.detach())

    def chance(self, term: int) -> np.random.Generator:
        """What is drawn for a term at this step: the same after a resume, on every device and rank."""
        return generator(self.setup.seed, self.step, term)

    def state(self, term: int) -> Any:
        """The module that keeps a term's queue, centre or memory."""
        return self.states[term]

    def add_projector(self, projector: nn.Module) -> None:
        """The head that takes `inputs` numbers: an embedding, and beside it, where it is told of them, of the draws."""
        self.heads["projector"] = Told(projector, self.setup.told) if self.setup.told else projector

    def add_teacher(self, *heads: str) -> None:
        """Copies of the encoder and of the named heads, without gradients."""
        self.teacher["encoder"] = _frozen(self.encoder)
        for name in heads:
            self.teacher[name] = _frozen(self.heads[name])

    def embed(self, view: View) -> Tensor:
        """(B,D) embedding of a view over all ranks, in the run's precision, returned as float32."""
        with self.mixed():
            embedding = _plain(self.run_encoder(self.encoder, view.pixels))
        return self.setup.ranks.gather(embedding)

    def project(self, embedding: Tensor, view: View) -> Tensor:
        """(B,P) projection of a view's embedding, as float32."""
        return self.head("projector", embedding, *self._told(view))

    def head(self, name: str, *x: Tensor) -> Tensor:
        """A head's output as float32 (float64 stays)."""
        with self.mixed():
            return _plain(self.heads[self.own(name)](*x))

    def _told(self, view: View) -> tuple[Tensor, ...]:
        return () if view.told is None else (self.setup.ranks.gather(view.told),)

    def projection(self, projector: nn.Module) -> nn.Module:
        """The part of a projector that gives the projection (`evaluate.embed: head`); all of it but for dino's."""
        return projector

    def own(self, name: str) -> str:
        """The key of a head for the term at work: the shared one, or the term's own."""
        key = own_key(name, self.term)
        return key if key in self.heads else name

    def every(self, name: str) -> list[nn.Module]:
        """A head of all terms: one where it is shared."""
        return [head for key, head in self.heads.items() if base_name(key) == name]

    def projected(self, views: Views) -> tuple[Tensor, Tensor, Tensor]:
        """The first view's embedding (B,D), and the projections (B,P) of the two whole views."""
        (h1, _), (z1, z2) = self.all_projected(views.whole)
        return h1, z1, z2

    def all_projected(self, views: Sequence[View]) -> tuple[list[Tensor], list[Tensor]]:
        """Embeddings (B,D) and projections (B,P) of some views."""
        embeddings = [self.embed(view) for view in views]
        return embeddings, [self.project(h, view) for h, view in zip(embeddings, views, strict=True)]

    @torch.no_grad()
    def taught(self, view: View) -> Tensor:
        """The teacher's projection of a view, without gradients."""
        with self.mixed():
            embedding = self.run_encoder(self.teacher["encoder"], view.pixels)  # type: ignore[arg-type]
            embedding = self.setup.ranks.gather(embedding)
            return _plain(self.teacher[self.own("projector")](embedding, *self._told(view)))

    def mixed(self) -> AbstractContextManager[Any]:
        """Autocast where the run has a precision below float32; losses are computed outside of it."""
        if self.setup.precision is None:
            return nullcontext()
        return torch.autocast(self.setup.device_type, dtype=self.setup.precision)


TOLD_WIDTH = 64
_TOLD_LAYERS = 3


class Told(nn.Module):
    """A projector that is told what was drawn for a view: a perceptron of the draws stands beside the embedding.

    Source:
        Przewięźlikowski et al. 2023, arXiv:2306.06082, section 3 (concatenation).
    """

    def __init__(self, projector: nn.Module, told: int) -> None:
        super().__init__()
        self.projector = projector
        self.draws = perceptron(told, *[TOLD_WIDTH] * _TOLD_LAYERS)

    def forward(self, h: Tensor, told: Tensor) -> Tensor:
        """(B,D) embeddings and (B,K) draws to (B,P)."""
        projection: Tensor = self.projector(torch.cat([h, self.draws(told)], dim=1))
        return projection


def own_key(name: str, term: int) -> str:
    """Key of a term's own head: the first term has the plain name."""
    return name if term == 0 else f"{name}_{term}"


def base_name(key: str) -> str:
    """`projector` of `projector_1`."""
    return key.partition("_")[0]


def momentum_at(step: int, steps: int, start: float, end: float) -> float:
    """end - (end - start)·(cos(pi·step/steps) + 1)/2: BYOL's schedule, eq. in section 3.3 of arXiv:2006.07733."""
    return end - (end - start) * (math.cos(math.pi * step / steps) + 1) / 2


def follow(teacher: list[Tensor], student: list[Tensor], tau: float) -> None:
    """Move the teacher in place to tau·teacher + (1 - tau)·student."""
    torch._foreach_mul_(teacher, tau)
    torch._foreach_add_(teacher, student, alpha=1 - tau)


def generator(*seed: int) -> np.random.Generator:
    """Chance that hangs on these numbers alone."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed)))


def _frozen(module: nn.Module) -> nn.Module:
    return copy.deepcopy(module).requires_grad_(False)


def _plain(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def perceptron(
    *widths: int,
    hidden_norm: bool = True,
    last_norm: bool = False,
    last_affine: bool = True,
    activation: type[nn.Module] = nn.ReLU,
) -> nn.Sequential:
    """Linear layers of these widths.

    Args:
        widths: input, hidden…, output.
        hidden_norm: batch norm after each hidden layer; the layer before it then has no bias, which would cancel.
        last_norm: batch norm after the last layer too; last_affine: with scale and shift.
        activation: after each hidden layer.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths[:-1]):
        layers.append(nn.Linear(inputs, outputs, bias=not hidden_norm))
        if hidden_norm:
            layers.append(nn.BatchNorm1d(outputs))
        layers.append(activation())
    layers.append(nn.Linear(widths[-2], widths[-1], bias=not last_norm))
    if last_norm:
        layers.append(nn.BatchNorm1d(widths[-1], affine=last_affine))
    return nn.Sequential(*layers)


class Queue(nn.Module):
    """The last `size` rows of unit length; it starts with random directions.

    `items` is (size, dim). The size is a multiple of the batch, so that a batch never wraps round the end.
    """

    items: Tensor
    place: Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("items", functional.normalize(torch.randn(size, dim), dim=1))
        self.register_buffer("place", torch.zeros(1, dtype=torch.int64))

    @torch.no_grad()
    def push(self, rows: Tensor) -> None:
        """Replace the oldest rows by (B, dim) new ones of unit length."""
        where = (self.place + torch.arange(len(rows), device=rows.device)) % len(self.items)
        self.items.index_copy_(0, where, rows.detach())
        self.place.add_(len(rows)).remainder_(len(self.items))


def nearest(rows: Tensor, queue: Tensor) -> Tensor:
    """(B,D) rows of the queue with the largest dot product; both have unit length."""
    return queue[(rows @ queue.T).argmax(dim=1)]


def check_queue(name: str, settings: Mapping[str, Any], batch_size: int) -> None:
    """Refuse a queue that is no multiple of the batch.

    Raises:
        SpecError: with the nearest size that works.
    """
    size = settings["queue_size"]
    if size % batch_size:
        near = max(1, round(size / batch_size)) * batch_size
        raise SpecError.at(
            f"Method {name}",
            "queue_size",
            f"a multiple of the {batch_size} images of one pass",
            size,
            f"Set queue_size to {near}.",
        )
