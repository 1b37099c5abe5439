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
from ssrl_core.runs.child.process import RunLog, StopRequest
from ssrl_core.runs.child.ranks import dismiss, led
from ssrl_core.runs.evaluation.images import EvaluationImages, Features, embedding_of
from ssrl_core.runs.evaluation.parts import EMBED, TRAIN, Evaluation, make, missing_parts, phase_of, same_images
from ssrl_core.runs.folder.results import Results, ResultsFile, save_array
from ssrl_core.runs.folder.run_folder import RunFolder, evaluated_split, imageset_of
from ssrl_core.runs.folder.state import StateWriter
from ssrl_core.specs.parts import LAYOUTS
from ssrl_core.specs.run import BACKBONE

if TYPE_CHECKING:
    from ssrl_core.learning.backbones.encoder import Encoder
    from ssrl_core.learning.loop import Progress

_HASH_IN_ID = re.compile(r"-([0-9a-f]{8})(?:-\d+)?$")
_LOG_EVERY_S = 10.0


class Phases:
    """The work of one attempt.

    Args:
        folder: the run folder, locked.
        state, stop_request, log: how it is told, whether it should stop, where it is written down.
    """

    def __init__(self, folder: Path, state: StateWriter, stop_request: StopRequest, log: RunLog) -> None:
        self.run = RunFolder(folder.name, folder)
        self.state, self.stop_request, self.log = state, stop_request, log
        self.logged_at = 0.0
        self.solved_s: float | None = None
        self.encoder: Encoder | None = None
        self.embedders: dict[str, Encoder] = {}
        self.met_ranks = False
        self.read_from: tuple[Any, ...] = ()

    def go(self) -> None:
        """All that is missing; asked again at the end, because somebody may have asked for more meanwhile.

        Raises:
            Stopped: somebody asked for it.
            SSRLError: what the user can mend.
        """
        before: list[str] = []
        while True:
            self._load()
            parts = missing_parts(self.run, self.spec, self.imageset)
            if TRAIN not in parts and not self.met_ranks:
                self.met_ranks = True
                dismiss(self.device)
            if not parts:
                break
            if parts == before:
                raise RunError(f"{', '.join(parts)} are still missing after they were made. This is a bug.")
            self.log.write(f"to do: {', '.join(parts)}")
            self._do(parts)
            before = parts
        self._tidy()

    def _load(self) -> None:
        """Spec, images, device."""
        self.spec = self.run.spec()
        self.state.update(phase="load", epochs=self.spec.epochs, now=True)
        self._load_images()
        self.spec_hash = self.spec.spec_hash(self.imageset.fingerprint)
        found = _HASH_IN_ID.search(self.run.id)
        if found and found[1] != self.spec_hash[:8]:
            raise SpecError.at(
                f"Run {self.run.id}",
                "spec_hash",
                f"{found[1]}…, as when it was queued",
                self.spec_hash,
                "spec.yaml or the image set was changed since. Delete this run and queue the spec anew.",
            )
        from ssrl_core.learning.devices import pick_device

        self.device = pick_device(self.spec.device)
        self.state.update(device=_device_name(self.device), now=True)
        self.images = EvaluationImages(self.spec, self.imageset)
        embedded, evaluated = len(self.images.every), len(self.images.evaluated)
        self.run_progress = RunProgress(embedded, evaluated, self.spec.evaluate.layouts)

    def _load_images(self) -> None:
        """The images of the spec; what was read of them stays read while they are the same."""
        found = imageset_of(self.spec)
        now = (self.spec.dataset, found.fingerprint, found.folder)
        if now != self.read_from:
            self.imageset, self.read_from = found, now

    def _do(self, parts: list[str]) -> None:
        self.results = ResultsFile(self.run.path)
        if TRAIN in parts:
            self._train()
        self._begin_results()
        with self._phase("embed"):
            features = self._embed()
        network = self._embedder()
        evaluation = Evaluation(self.run, self.images, features, network, self.device, self._progress, self._encoder())
        todo = [part for part in missing_parts(self.run, self.spec, self.imageset) if part != EMBED]
        for phase in ("evaluate", "layout"):
            with self._phase(phase):
                self._each([part for part in todo if phase_of(part) == phase], evaluation)

    def _train(self) -> None:
        """Learn, or go on learning; a checkpoint is written before every stop."""
        from ssrl_core.learning.loop import fit

        self.met_ranks = True
        self.run_progress.enter("train")
        self.state.update(phase="train", now=True)
        self.stop_request.training = True
        started = time.monotonic()
        if self.spec.is_solved:
            self.log.write("the network is solved in closed form, not trained")
        try:
            with led(self.spec, self.run.path, self.device, self.log) as ranks:
                asked = self.stop_request.wanted
                run, path, say = self.spec, self.run.path, self.log.write
                fit(run, self.imageset, path, report=self._on_step, should_stop=asked, say=say, ranks=ranks)
        finally:
            self.stop_request.training = False
        if self.spec.is_solved:
            self.solved_s = time.monotonic() - started

    def _on_step(self, progress: Progress) -> None:
        share = progress.step / max(1, progress.steps)
        self.run_progress.training(share, progress.eta_s)
        named = ("step", "steps", "epoch", "epochs", "images_per_s")
        held = device_memory_bytes(self.device)
        told = {name: getattr(progress, name) for name in named}
        self.state.update(**told, **self.run_progress.fields(share), device_memory_bytes=held)
        if time.monotonic() - self.logged_at > _LOG_EVERY_S:
            self.logged_at = time.monotonic()
            if self.spec.is_solved:
                self.log.write(f"solved {share:.0%}")
                return
            loss = "–" if progress.loss is None else f"{progress.loss:.4f}"
            speed = progress.images_per_s or 0.0
            self.log.write(f"epoch {progress.epoch:.2f}/{progress.epochs}  loss {loss}  {speed:.0f} images/s")

    def _begin_results(self) -> None:
        """The head of `results.json`; measured anew when the images, or what is shown of them, changed."""
        split = evaluated_split(self.spec, self.imageset)
        if not same_images(self.run, self.spec, self.imageset, Results(self.results.data)):
            self.results.forget()
            for old in (found for kind in ("clusters_*", "layout_*", "scores_*") for found in self.run.path.glob(kind)):
                old.unlink()
            (self.run.path / "embedding.npy").unlink(missing_ok=True)
        head = {"id": self.run.id, "spec_hash": self.spec_hash, "split": split, "n": len(self.images.evaluated)}
        head["input"] = self.spec.evaluate.input
        if self.spec.evaluate.embed != BACKBONE:
            head["embed"] = self.spec.evaluate.embed
        self.results.begin(**head, dim=self._embedder().dim)
        if split != self.spec.evaluate.split:
            self.results.data["missing"]["split"] = f"there are no {self.spec.evaluate.split} images; all are evaluated"
        times = self.run.metrics()["time_s"].dropna()
        if self.spec.is_solved:  # there are no lines of metrics to tell it
            self.results.data["seconds"]["train"] = self.solved_s or self.results.data["seconds"]["train"]
        else:
            self.results.data["seconds"]["train"] = float(times.max()) if len(times) else 0.0
        self.results.save()

    def _embed(self) -> Features:
        """Embeddings of everything that is asked about; those to keep are written, ids first."""
        images = self.images
        if (self.run.path / "embedding.npy").is_file():
            x, stored = self.run.embedding()
            if np.array_equal(stored, images.every):
                return Features(stored, x)
        features = embedding_of(images, self._embedder(), self.device, self._progress, self.run.path)
        save_array(self.run.path / "embedding_ids.npy", images.kept)
        if self.spec.keep.embedding != "none":
            save_array(self.run.path / "embedding.npy", features.of(images.kept))
        return features

    def _each(self, parts: list[str], evaluation: Evaluation) -> None:
        """One part after another, with a way out between them."""
        for number, part in enumerate(parts):
            if self.stop_request.wanted():
                raise Stopped(f"before {part}")
            self._progress(number / len(parts))
            started, worked = time.monotonic(), time.process_time()
            make(part, evaluation, self.results)
            took = f"{time.monotonic() - started:.1f} s ({time.process_time() - worked:.1f} s of the processor)"
            self.log.write(f"{part}: {took}")

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        if self.stop_request.wanted():
            raise Stopped(f"before {name}")
        self.run_progress.enter(name)
        self.state.update(phase=name, now=True, **self.run_progress.fields(0.0))
        started = time.monotonic()
        yield
        self.results.took(name, time.monotonic() - started)

    def _progress(self, share: float) -> None:
        self.state.update(**self.run_progress.fields(share))

    def _encoder(self) -> Encoder:
        """The trained encoder, always read from its file: an attempt that found it there gets the same numbers.

        (The network that the loop leaves differs in its memory layout, and with it in the last bit of its sums.)
        """
        if self.encoder is None:
            from ssrl_core.learning.encoders import load_encoder

            self.encoder = load_encoder(self.run.path / "encoder.safetensors").to(self.device)
        return self.encoder

    def _embedder(self) -> Encoder:
        """The network whose output is embedded (`evaluate.embed`)."""
        from ssrl_core.learning.heads import embedder

        embed = self.spec.evaluate.embed
        if embed not in self.embedders:
            made = embedder(self.run.path, self.spec, self._encoder(), len(self.images.bank))
            self.embedders[embed] = made.to(self.device)
        return self.embedders[embed]

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


# Seconds per image on two cores, measured with tiny_cnn on 28 px images; only the proportions matter, and the
# estimate is corrected by what has been measured as soon as a phase is over.
_PER_IMAGE_S = {"embed": 0.0006, "evaluate": 0.002}
_ORDER = ("load", "train", "embed", "evaluate", "layout")


class RunProgress:
    """Shares of the phases in a run, from estimates of their seconds.

    Args:
        images: images that are embedded.  rows: images that are evaluated.  layouts: their methods.
    """

    def __init__(self, images: int, rows: int, layouts: tuple[str, ...]) -> None:
        self._seconds = {
            "load": 5.0,
            "train": 60.0,
            "embed": 1.0 + images * _PER_IMAGE_S["embed"],
            "evaluate": 5.0 + images * _PER_IMAGE_S["evaluate"],
            "layout": sum(5.0 + rows * LAYOUTS[name].seconds_per_row for name in layouts),
        }
        self._phase, self._since = "load", time.monotonic()

    def enter(self, phase: str) -> None:
        """A phase begins; the one before took as long as it took."""
        now = time.monotonic()
        self._seconds[self._phase] = max(0.01, now - self._since)
        for skipped in _ORDER[_ORDER.index(self._phase) + 1 : _ORDER.index(phase)]:
            self._seconds[skipped] = 0.01
        self._phase, self._since = phase, now

    def training(self, share: float, eta_s: float | None) -> None:
        """The training says how far it is and how long it will still take."""
        if eta_s is not None and share < 1:
            self._seconds["train"] = max(self._seconds["train"] if share == 0 else 0.01, eta_s / (1 - share))

    def fields(self, share: float) -> dict[str, Any]:
        """`progress` (0..1 over all phases) and `eta_s`, for a share of the present phase."""
        place = _ORDER.index(self._phase)
        whole = sum(self._seconds.values())
        past = sum(self._seconds[name] for name in _ORDER[:place]) + share * self._seconds[self._phase]
        return {"progress": round(min(1.0, past / whole), 4), "eta_s": round(max(0.0, whole - past), 1)}

    def after_training_s(self) -> float:
        """Seconds of everything that comes after the training."""
        return sum(self._seconds[name] for name in ("embed", "evaluate", "layout"))
