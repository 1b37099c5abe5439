"""One training put together: method, optimizer, schedule, batches; a step of it, and its state for a checkpoint."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ssrl_core.compositions.conditions import Conditions
from ssrl_core.compositions.draws import Draws, draw
from ssrl_core.compositions.pairs import partners
from ssrl_core.compositions.pixels import send
from ssrl_core.compositions.views import Carry, make_views
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.errors import RunError, SpecError
from ssrl_core.learning.devices import PixelBank, epoch_order, pick_device, training_precision
from ssrl_core.learning.embedding import fresh_encoder
from ssrl_core.learning.methods import build_method
from ssrl_core.learning.methods.base import Method, Setup, TermLoss, View, Views
from ssrl_core.learning.optimizers import Schedule, build_optimizer, set_lr
from ssrl_core.learning.ranks import ALONE, Ranks, share_norms
from ssrl_core.specs.composition import Composition
from ssrl_core.specs.run import RunSpec
from ssrl_core.specs.run_fit import check_fit

Rows = NDArray[np.int64]


@dataclass
class StepResult:
    """Total loss and each term's, on the device, and the first view of the first term of the last part."""

    loss: Tensor
    terms: Tensor
    seen: TermLoss


class Training:
    """What a run needs to take steps.

    Args:
        device: where it runs; else the device that the spec names.
        ranks: the processes that take each step together.

    Attributes:
        carry: how views are made as one graph (`learning/compiling.py`), None: step by step.
        steps_per_epoch, steps: whole batches of an epoch (the last partial one is dropped), steps of the run.

    Raises:
        SpecError: when made with what cannot train: too few images, a batch that `accumulate` does not divide, views
            that the method does not take, settings that do not fit the batch.
    """

    def __init__(
        self, spec: RunSpec, imageset: ImageSet, *, device: torch.device | None = None, ranks: Ranks = ALONE
    ) -> None:
        self.spec, self.imageset, self.ranks = spec, imageset, ranks
        self.image_ids: Rows = imageset.split_ids("train", limit_train=spec.limit_train)
        check_fit(spec, len(self.image_ids), imageset.shape)
        self.device = device or pick_device(spec.device)
        self.conditions = conditions_of(spec, imageset)
        self.steps_per_epoch = len(self.image_ids) // spec.batch_size
        self.steps = self.steps_per_epoch * spec.epochs
        built = self._built()
        self.method: Method = built.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.schedule = self._schedule()
        self.optimizer = build_optimizer(
            spec.optimizer.name,
            self.method,
            lr=self.schedule.base,
            weight_decay=spec.optimizer.weight_decay,
            momentum=spec.optimizer.momentum,
            fused=self.device.type == "cuda",
        )
        self._partners = [partners(imageset, term.composition, self.image_ids) for term in spec.terms]
        self.bank = PixelBank(imageset.pixels, self.image_ids, self.device)
        self.carry: Carry | None = None
        self._weights = torch.tensor([term.weight for term in spec.terms]).to(self.device)
        self._order: tuple[int, Rows] = (-1, np.empty(0, dtype=np.int64))

    def step(self, step: int) -> StepResult:
        """Forward, backward, optimizer and teacher for one batch; nothing waits for the device."""
        self.method.train()
        self.method.step = step
        set_lr(self.optimizer, self.schedule.lr(step))
        epoch = step // self.steps_per_epoch
        losses = torch.zeros(len(self.spec.terms), device=self.device)
        batch = np.split(self._rows(step), self.spec.accumulate)
        for rows, coming in zip(batch, [*batch[1:], self._first_of(step + 1)], strict=True):
            total, parts, seen = self._forward(rows, epoch, coming)
            torch.autograd.backward(total / (self.spec.accumulate * self.ranks.count))
            losses += parts / self.spec.accumulate
        self.ranks.add_gradients(p for group in self.optimizer.param_groups for p in group["params"])
        self.method.after_backward()
        self.method.before_step()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.method.after_step(self.method.tau(step, self.steps))
        return StepResult((losses * self._weights).sum(), losses, seen)

    def rehearse(self, images: int) -> None:
        """Forward and backward for so many images of the first batch; takes no step."""
        total, _, _ = self._forward(self._rows(0)[:images], 0)
        torch.autograd.backward(total)
        self.method.forget()
        self.optimizer.zero_grad(set_to_none=True)

    def rehearsal(self, spare: Method) -> Callable[[], list[Tensor]]:
        """Forward and backward of the first part of the first batch through a copy of the method, as often as called;
        its views are made once.

        Returns:
            what gives the losses of the terms, and leaves the gradients where they are until it is called again.
        """
        rows = np.split(self._rows(0), self.spec.accumulate)[0]
        made, places = self._views(self.ranks.share(rows), 0), self._places(rows)
        spare.train()

        def once() -> list[Tensor]:
            spare.zero_grad(set_to_none=True)
            losses = []
            for term, views in enumerate(made):
                spare.term = term
                losses.append(spare.term_loss(term, views, places).loss)
                torch.autograd.backward(losses[-1])
            spare.forget()
            return losses

        return once

    def begin_epoch(self, epoch: int) -> None:
        """What a method does before an epoch; before the first one it may look at every image."""
        if epoch == 0 and self.method.first_pass:
            self.method.train()
            for step in range(self.steps_per_epoch):
                for rows in np.split(self._rows(step), self.spec.accumulate):
                    for term, views in enumerate(self._views(self.ranks.share(rows), 0)):
                        self.method.term = term
                        self.method.remember(term, views, self._places(rows))
        self.method.begin_epoch()
        self.ranks.same(self.method.state_dict().values())

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on, weights-only readable."""
        return {
            "model": self.method.encoder.state_dict(),
            "momentum": self.method.teacher.state_dict(),
            "method": {"heads": self.method.heads.state_dict(), "terms": self.method.states.state_dict()},
            "optimizer": self.optimizer.state_dict(),
            "schedule": {"name": self.schedule.name, "base": self.schedule.base, "steps": self.steps},
            "rng": _random_state(self.device),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Put a checkpoint's state back."""
        self.method.encoder.load_state_dict(state["model"])
        self.method.teacher.load_state_dict(state["momentum"])
        self.method.heads.load_state_dict(state["method"]["heads"])
        self.method.states.load_state_dict(state["method"]["terms"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"]["cpu"])
        if self.device.type == "cuda" and "cuda" in state["rng"]:
            torch.cuda.set_rng_state(state["rng"]["cuda"], self.device)

    def _forward(self, rows: Rows, epoch: int, coming: Rows | None = None) -> tuple[Tensor, Tensor, TermLoss]:
        """Losses of some rows; those that come next in this epoch are read while the device is at work."""
        losses: list[Tensor] = []
        first: TermLoss | None = None
        made = self._views(self.ranks.share(rows), epoch)
        if coming is not None:
            self.bank.ahead(self._read_first(self.ranks.share(coming), epoch))
        for term, views in enumerate(made):
            self.method.term = term
            found = self.method.term_loss(term, views, self._places(rows))
            first = first or found
            losses.append(found.loss)
        weighted = [term.weight * loss for term, loss in zip(self.spec.terms, losses, strict=True)]
        if first is None:
            raise ValueError("a run without terms")
        return sum(weighted[1:], weighted[0]), torch.stack([loss.detach().float() for loss in losses]), first

    def _views(self, rows: Rows, epoch: int) -> list[Views]:
        own: Tensor | None = None
        found, most = [], self.imageset.max_value
        for number, term in enumerate(self.spec.terms):
            drawn = self._drawn(number, rows, epoch)
            if drawn.images is not None:
                pixels = self.bank.batch(self._rows_of(drawn))
            else:
                pixels = own = self.bank.batch(rows) if own is None else own
            groups = make_views(pixels, drawn, term.composition, max_value=most, carry=self.carry)
            told = None
            if self.conditions is not None:
                told = [send(group, self.device) for group in self.conditions.of(number, drawn)]
            found.append(arranged(term.composition, groups, told))
        return found

    def _drawn(self, number: int, rows: Rows, epoch: int) -> Draws:
        composition, pairs = self.spec.terms[number].composition, self._partners[number]
        ids = self.image_ids[rows]
        return draw(composition, ids, seed=self.spec.seed, epoch=epoch, term=number, partners=pairs)

    def _rows_of(self, drawn: Draws) -> Rows:
        """The rows whose pixels the views are made of, partners among them."""
        return np.searchsorted(self.image_ids, drawn.needed)

    def _read_first(self, rows: Rows, epoch: int) -> Rows:
        """What `_views` of these rows asks the bank for first."""
        return rows if self._partners[0] is None else self._rows_of(self._drawn(0, rows, epoch))

    def _rows(self, step: int) -> Rows:
        epoch, place = divmod(step, self.steps_per_epoch)
        if self._order[0] != epoch:
            self._order = (epoch, epoch_order(len(self.image_ids), seed=self.spec.seed, epoch=epoch))
        return self._order[1][place * self.spec.batch_size : (place + 1) * self.spec.batch_size]

    def _first_of(self, step: int) -> Rows | None:
        """The first part of a step's batch, where its epoch has begun and pixels are read from the file."""
        if self.bank.resident is not None or step % self.steps_per_epoch == 0:
            return None
        return np.split(self._rows(step), self.spec.accumulate)[0]

    def _places(self, rows: Rows) -> Tensor:
        return send(rows, self.device, torch.int64)

    def _built(self) -> Method:
        """The method with fresh weights, on the CPU: the same on every device."""
        spec = self.spec
        setup = Setup(
            batch_size=spec.batch_size // spec.accumulate,
            images=len(self.image_ids),
            terms=len(spec.terms),
            own_heads=spec.heads == "per_term",
            seed=spec.seed,
            precision=training_precision(spec.precision, self.device),
            device_type=self.device.type,
            ranks=self.ranks,
            told=self.conditions.width if self.conditions else 0,
        )
        encoder = fresh_encoder(spec, self.imageset)
        if self.ranks.count > 1:
            share_norms(encoder, self.ranks)  # a teacher is a copy of it
        method = build_method(spec.method.name, encoder, spec.method.settings, setup)
        for term in spec.terms:
            _check_views(method, spec.method.name, term.composition)
        return method

    def _schedule(self) -> Schedule:
        spec = self.spec
        return Schedule(
            base=spec.optimizer.effective_lr(spec.batch_size),
            steps=self.steps,
            warmup_steps=spec.warmup_epochs * self.steps_per_epoch,
            warmup_lr=spec.schedule.warmup_lr,
            final_lr=spec.schedule.final_lr,
            name=spec.schedule.name,
        )


def conditions_of(spec: RunSpec, imageset: ImageSet) -> Conditions | None:
    """What the projector is told of the draws; None where it is told nothing, or there is nothing to tell."""
    if spec.condition != "draws":
        return None
    conditions = Conditions([term.composition for term in spec.terms], imageset.shape)
    return conditions if conditions.width else None


def arranged(composition: Composition, groups: Sequence[Tensor], told: Sequence[Tensor] | None = None) -> Views:
    """(V,B,C,S,S) of each view group, and (V,B,K) that is told of it, as the views of a term, channels last."""
    views = Views([], [])
    for number, group in enumerate(composition.views):
        kept = views.whole if group.role == "global" else views.local
        for place, pixels in enumerate(groups[number]):
            here = pixels.contiguous(memory_format=torch.channels_last)
            kept.append(View(here, None if told is None else told[number][place]))
    return views


def _check_views(method: Method, name: str, composition: Composition) -> None:
    whole = sum(group.count for group in composition.views if group.role == "global")
    local = composition.view_count - whole
    fits = (whole >= 2) if method.local_views else (whole == 2 and not local)
    if not fits:
        rule = "at least two global views" if method.local_views else "two global views and no local ones"
        raise SpecError.at(
            f'Composition "{composition.name}" with method {name}',
            "views",
            rule,
            f"{whole} global, {local} local",
            "Change count or role of its view groups, or choose swav, dino or deepcluster_v2 for multi-crop.",
        )


def _random_state(device: torch.device) -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def lacks_memory(error: RuntimeError) -> bool:
    """Whether an error of torch says that a device's memory ran out."""
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)


def out_of_memory(error: RuntimeError, training: Training, folder: Path) -> RunError:
    """The error to raise, with a batch that fits in its remedy: tried, not guessed."""
    traceback.clear_frames(error.__traceback__)  # else its frames hold the activations that filled the memory
    part = training.spec.batch_size // training.spec.accumulate
    return RunError.at(
        folder.name,
        "batch_size",
        "small enough for the device's memory",
        f"{part} images at a time",
        _what_fits(training, part),
    )


def _what_fits(training: Training, part: int) -> str:
    if training.ranks.count > 1:  # the others would have to try with this one
        return "Raise accumulate or devices, or lower batch_size."
    fitting = _fitting(training, part)
    if fitting is None:
        return "Not even two images fit: choose a smaller backbone, smaller views, or a device with more memory."
    parts = training.spec.batch_size // fitting
    return f"{fitting} at a time fit: set accumulate to {parts}, or batch_size to {fitting}."


def _fitting(training: Training, part: int) -> int | None:
    """The first divisor of the batch, at most half as large each time, that passes forward and backward."""
    batch = training.spec.batch_size
    while (part := max(d for d in range(1, max(2, part // 2 + 1)) if batch % d == 0)) >= 2:
        training.optimizer.zero_grad(set_to_none=True)
        if training.device.type == "cuda":
            torch.cuda.empty_cache()
        try:
            training.rehearse(part)
        except RuntimeError as error:
            if not lacks_memory(error):
                raise
            traceback.clear_frames(error.__traceback__)
        else:
            return part
    return None
