"""What a training child does, phase after phase: load, train, embed, evaluate, layout. Only what is missing is done."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.errors import RunError, SpecError, Stopped
from ssrl_core.runs.child.parent_watch import Wishes
from ssrl_core.runs.child.progress import Pace
from ssrl_core.runs.evaluation.images import Ground, Seen
from ssrl_core.runs.evaluation.making import Subject, make
from ssrl_core.runs.evaluation.parts import missing_parts, same_ground
from ssrl_core.runs.folder.arrays import save_array
from ssrl_core.runs.folder.images import evaluated_split, imageset_of
from ssrl_core.runs.folder.journal import Journal
from ssrl_core.runs.folder.results import Results
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.folder.state import StateWriter

if TYPE_CHECKING:
    from ssrl_core.learning.backbones.encoder import Encoder
    from ssrl_core.learning.loop import Progress

_HASH_IN_ID = re.compile(r"-([0-9a-f]{8})(?:-\d+)?$")
_SAY_EVERY_S = 10.0


class Phases:
    """The work of one attempt.

    Args:
        folder: the run folder, locked.
        state, wishes, journal: how it is told, whether it should stop, where it is written down.
    """

    def __init__(self, folder: Path, state: StateWriter, wishes: Wishes, journal: Journal) -> None:
        self.run = RunFolder(folder.name, folder)
        self.state, self.wishes, self.journal = state, wishes, journal
        self.said_at = 0.0
        self.encoder: Encoder | None = None
        self.looked_at: tuple[Any, ...] = ()

    def go(self) -> None:
        """All that is missing; asked again at the end, because somebody may have asked for more meanwhile.

        Raises:
            Stopped: somebody wished it.
            SSRLError: what the user can mend.
        """
        before: list[str] = []
        while True:
            self._load()
            parts = missing_parts(self.run, self.spec, self.imageset)
            if not parts:
                break
            if parts == before:
                raise RunError(f"{', '.join(parts)} are still missing after they were made. This is a bug.")
            self.journal.say(f"to do: {', '.join(parts)}")
            self._do(parts)
            before = parts
        self._tidy()

    def _load(self) -> None:
        """Spec, images, device."""
        self.spec = self.run.spec()
        self.state.update(phase="load", epochs=self.spec.epochs, now=True)
        self._look_at_images()
        self.spec_hash = self.spec.spec_hash(self.imageset.fingerprint)
        found = _HASH_IN_ID.search(self.run.id)
        if found and found[1] != self.spec_hash[:8]:
            raise SpecError(
                where=f"Run {self.run.id}",
                field="spec_hash",
                rule=f"{found[1]}…, as when it was queued",
                value=self.spec_hash,
                remedy="spec.yaml or the image set was changed since. Delete this run and queue the spec anew.",
            )
        from ssrl_core.learning.devices import pick_device

        self.device = pick_device(self.spec.device)
        self.state.update(device=_device_name(self.device), now=True)
        self.ground = Ground(self.spec, self.imageset)
        images = len(np.union1d(self.ground.bank, self.ground.kept))
        self.pace = Pace(images, len(self.ground.asked), self.spec.evaluate.layouts)

    def _look_at_images(self) -> None:
        """The images of the spec; what was read of them stays read while they are the same."""
        found = imageset_of(self.spec)
        now = (self.spec.dataset, found.fingerprint, found.folder)
        if now != self.looked_at:
            self.imageset, self.looked_at = found, now

    def _do(self, parts: list[str]) -> None:
        self.results = Results(self.run.path)
        if "train" in parts:
            self._train()
        self._begin_results()
        with self._phase("embed"):
            seen = self._embed()
        subject = Subject(
            self.run, self.ground, seen, self.results, self._encoder(), self.device, progress=self._progress
        )
        todo = [part for part in missing_parts(self.run, self.spec, self.imageset) if part != "embed"]
        layouts = [part for part in todo if part.startswith("layouts.")]
        with self._phase("evaluate"):
            self._each([part for part in todo if part not in layouts], subject)
        with self._phase("layout"):
            self._each(layouts, subject)

    def _train(self) -> None:
        """Learn, or go on learning; a checkpoint is written before every stop."""
        from ssrl_core.learning.loop import fit

        self.pace.enter("train")
        self.state.update(phase="train", now=True)
        self.wishes.patient = True
        try:
            fit(self.spec, self.imageset, self.run.path, report=self._on_step, should_stop=self.wishes.wanted)
        finally:
            self.wishes.patient = False

    def _on_step(self, progress: Progress) -> None:
        share = progress.step / max(1, progress.steps)
        self.pace.training(share, progress.eta_s)
        named = ("step", "steps", "epoch", "epochs", "images_per_s")
        held = device_memory_bytes(self.device)
        told = {name: getattr(progress, name) for name in named}
        self.state.update(**told, **self.pace.fields(share), device_memory_bytes=held)
        if time.monotonic() - self.said_at > _SAY_EVERY_S:
            self.said_at = time.monotonic()
            loss = "–" if progress.loss is None else f"{progress.loss:.4f}"
            speed = progress.images_per_s or 0.0
            self.journal.say(f"epoch {progress.epoch:.2f}/{progress.epochs}  loss {loss}  {speed:.0f} images/s")

    def _begin_results(self) -> None:
        """The head of `results.json`; measured anew from the start when the images are no longer the same."""
        split = evaluated_split(self.spec, self.imageset)
        if not same_ground(self.run, self.spec, self.imageset, self.results.data):
            self.results.forget()
            for old in (*self.run.path.glob("clusters_*"), *self.run.path.glob("layout_*")):
                old.unlink()
            (self.run.path / "embedding.npy").unlink(missing_ok=True)
        head = {"id": self.run.id, "spec_hash": self.spec_hash, "split": split, "n": len(self.ground.asked)}
        self.results.begin(**head, dim=self._encoder().dim)
        if split != self.spec.evaluate.split:
            self.results.data["missing"]["split"] = f"there are no {self.spec.evaluate.split} images; all are evaluated"
        times = self.run.metrics()["time_s"].dropna()
        self.results.data["seconds"]["train"] = float(times.max()) if len(times) else 0.0
        self.results.save()

    def _embed(self) -> Seen:
        """Embeddings of everything that is asked about; those to keep are written, ids first."""
        ground = self.ground
        ids = np.union1d(ground.bank, ground.kept)
        if (self.run.path / "embedding.npy").is_file():
            x, stored = self.run.embedding()
            if np.array_equal(stored, ids):
                return Seen(stored, x)
        images = self.imageset
        from ssrl_core.learning.embedding import embed

        x = embed(
            self._encoder(),
            images.pixels,
            ids,
            max_value=images.max_value,
            device=self.device,
            report=lambda done, n: self._progress(done / max(1, n)),
        )
        seen = Seen(ids, x)
        save_array(self.run.path / "embedding_ids.npy", ground.kept)
        if self.spec.keep.embedding != "none":
            save_array(self.run.path / "embedding.npy", seen.of(ground.kept))
        return seen

    def _each(self, parts: list[str], subject: Subject) -> None:
        """One part after another, with a way out between them."""
        for number, part in enumerate(parts):
            if self.wishes.wanted():
                raise Stopped(f"before {part}")
            self._progress(number / len(parts))
            started, worked = time.monotonic(), time.process_time()
            make(part, subject)
            took = f"{time.monotonic() - started:.1f} s ({time.process_time() - worked:.1f} s of the processor)"
            self.journal.say(f"{part}: {took}")

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        if self.wishes.wanted():
            raise Stopped(f"before {name}")
        self.pace.enter(name)
        self.state.update(phase=name, now=True, **self.pace.fields(0.0))
        started = time.monotonic()
        yield
        self.results.took(name, time.monotonic() - started)

    def _progress(self, share: float) -> None:
        self.state.update(**self.pace.fields(share))

    def _encoder(self) -> Encoder:
        """The trained encoder, always read from its file: an attempt that found it there gets the same numbers.

        (The network that the loop leaves differs in its memory layout, and with it in the last bit of its sums.)
        """
        if self.encoder is None:
            from ssrl_core.learning.encoders import load_encoder

            self.encoder = load_encoder(self.run.path / "encoder.safetensors").to(self.device)
        return self.encoder

    def _tidy(self) -> None:
        """Checkpoints go when a run is done (`keep.checkpoint: until_done`): they are the largest files."""
        if self.spec.keep.checkpoint == "until_done":
            for old in self.run.path.glob("checkpoint.*"):
                old.unlink()


def _device_name(device: Any) -> str:
    """`cpu`, or the card's own name."""
    if device.type != "cuda":
        return str(device.type)
    import torch

    return f"{device} {torch.cuda.get_device_name(device)}"


def device_memory_bytes(device: Any) -> int | None:
    """What torch holds of a card's memory, by its own books: no step waits for the card. None without a card."""
    if device.type != "cuda":
        return None
    import torch

    return int(torch.cuda.memory_reserved(device))
