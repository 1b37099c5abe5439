"""The training loop: steps, metrics, checkpoints, and a way out at every step."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.errors import RunError, SpecError, Stopped
from ssrl_core.learning import compiling
from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.checkpoint import read_checkpoint, write_checkpoint
from ssrl_core.learning.devices import pick_device
from ssrl_core.learning.embedding import fresh_encoder, showing
from ssrl_core.learning.encoders import save_encoder
from ssrl_core.learning.metrics import (
    RANK_ROWS,
    Collapse,
    Divergence,
    MetricsFile,
    effective_rank,
    line_stride,
    online_knn,
    read_together,
    spread,
)
from ssrl_core.learning.ranks import ALONE, Ranks, rank_device
from ssrl_core.learning.solving import solve_run
from ssrl_core.learning.training import StepResult, Training, lacks_memory, out_of_memory
from ssrl_core.specs.run import RunSpec

CHECKPOINT_EVERY_S = 30.0
_CHECKPOINT_SHARE = 0.01  # of the time
_EPOCH_CHECKPOINT_AFTER_S = 5.0
_REPORT_EVERY_S = 1.0
_SPEED_MEMORY = 0.8
_SPEED_EVERY_S = 0.5


@dataclass(frozen=True)
class Progress:
    """How far a training is. `loss` is the last one that was read; `eta_s` is None until there is a speed."""

    phase: str
    step: int
    steps: int
    epoch: float
    epochs: int
    images_per_s: float | None
    loss: float | None
    eta_s: float | None


def fit(
    spec: RunSpec,
    imageset: ImageSet,
    folder: Path,
    *,
    report: Callable[[Progress], None] = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = lambda sentence: None,
    ranks: Ranks = ALONE,
) -> Encoder:
    """Train, or go on from the checkpoint in the folder.

    Args:
        spec: the resolved run.
        imageset: as the run sees it (`ImageSet.select` already done).
        folder: gets metrics.jsonl, checkpoint.pt and .prev.pt with checksums, encoder.safetensors.
        report: called about once a second, and with every metric line.
        should_stop: asked before every step.
        say: told what was chosen for this run (whether its network is compiled).
        ranks: the processes that train together, each of which calls this; rank 0 writes, reports and is asked.

    Returns:
        The encoder, in evaluation mode, on the run's device.

    Raises:
        SpecError: what cannot train, before anything is written.
        Stopped: should_stop said so; a checkpoint is written.
        RunError: the loss is no number any more; the memory does not suffice; the disk is full.
    """
    if not spec.is_trained:
        return _without_training(spec, imageset, folder, report, should_stop)
    device = rank_device(ranks.place, pick_device(spec.device))
    training = Training(spec, imageset, device=device, ranks=ranks)
    folder.mkdir(parents=True, exist_ok=True)
    run = _Run(training, folder, report)
    try:
        run.resume()
        run.settle(say)
        run.go(should_stop)
    except RuntimeError as error:
        if not lacks_memory(error):
            raise
        raise out_of_memory(error, training, folder) from error
    finally:
        run.close()
    encoder = training.method.encoder.eval()
    if not ranks.leads:
        return encoder
    save_encoder(folder / "encoder.safetensors", encoder, encoder_metadata(spec, imageset))
    return encoder


def _without_training(
    spec: RunSpec,
    imageset: ImageSet,
    folder: Path,
    report: Callable[[Progress], None],
    should_stop: Callable[[], bool],
) -> Encoder:
    """The encoder of `pretrained` (weights from elsewhere) or `spectral` (solved for): no step is taken."""
    device = pick_device(spec.device)
    if spec.is_solved:
        encoder = solve_run(spec, imageset, device=device, report=_solving(report, should_stop))
    else:
        encoder = fresh_encoder(spec, imageset).eval()
    folder.mkdir(parents=True, exist_ok=True)
    MetricsFile(folder / "metrics.jsonl", 0).close()
    save_encoder(folder / "encoder.safetensors", encoder, encoder_metadata(spec, imageset))
    return encoder.to(device)


def _solving(report: Callable[[Progress], None], should_stop: Callable[[], bool]) -> Callable[[float], None]:
    """Tells how far a solution is, in thousandths as steps, and ends it where somebody wants that."""
    started = time.monotonic()

    def told(share: float) -> None:
        if should_stop():
            raise Stopped(f"at {share:.0%} of the solution; the next attempt begins anew")
        rest = (time.monotonic() - started) * (1 - share) / max(share, 1e-6)
        report(Progress("solve", round(1000 * share), 1000, 0.0, 0, None, None, rest))

    return told


def encoder_metadata(spec: RunSpec, imageset: ImageSet) -> dict[str, str]:
    """Texts that go into the encoder's file: made of spec and data only."""
    return {
        "dataset": imageset.name,
        "fingerprint": imageset.fingerprint,
        "max_value": str(imageset.max_value),
        "channel_names": json.dumps([channel.name for channel in imageset.channels], ensure_ascii=False),
        "spec": spec.canonical(imageset.fingerprint),
        "spec_hash": spec.spec_hash(imageset.fingerprint),
        "version": "1",
    }


class _Run:
    """The loop's own state: where it is, the metrics file, clocks. Only rank 0 writes, measures and reports."""

    def __init__(self, training: Training, folder: Path, report: Callable[[Progress], None]) -> None:
        self.training, self.folder, self.report = training, folder, report
        self.ranks = training.ranks
        self.spec = training.spec
        self.spec_hash = self.spec.spec_hash(training.imageset.fingerprint)
        self.step = 0
        self.way: str | None = None
        self.stride = line_stride(training.steps)
        self.divergence = Divergence(training.device)
        self.collapse = Collapse()
        self.metrics: MetricsFile | None = None
        self.loss: float | None = None
        self.speed: float | None = None
        self.time_s = 0.0
        self.checkpoint_cost_s = 0.0
        self.saved_at = self.reported_at = self.marked_at = time.monotonic()
        self.marked_step = 0

    def resume(self) -> None:
        """Take up the newest whole checkpoint, if there is one, and cut the metrics back to it."""
        state, complaints = self.ranks.told(read_checkpoint(self.folder) if self.ranks.leads else (None, []))
        if state is not None and state["spec_hash"] != self.spec_hash:
            raise SpecError.at(
                f"Run folder {self.folder.name}",
                "checkpoint",
                f"of the spec {self.spec_hash}",
                state["spec_hash"],
                "Train into another folder, or delete this one's checkpoints.",
            )
        if state is not None:
            self.training.load(state)
            self.step = self.marked_step = state["step"]
            self.way = state.get("way", compiling.PLAIN)
        if not self.ranks.leads:
            return
        self.metrics = MetricsFile(self.folder / "metrics.jsonl", 0 if state is None else state["metrics_bytes"])
        if state is not None:
            lines = self.metrics.lines()
            self.collapse = Collapse(lines)
            self.time_s = max((line.get("time_s", 0.0) for line in lines), default=0.0)
        for complaint in complaints:
            self._event("checkpoint", complaint)
        if state is not None or complaints:
            self._event("resume", f"The training goes on from step {self.step}.")

    def settle(self, say: Callable[[str], None]) -> None:
        """Choose how pixels go through the encoder, as before where a checkpoint says it."""
        chosen = compiling.settle(self.training, self.way, self.step)
        self.way = compiling.PLAIN if chosen is None else chosen.way
        if chosen is not None and self.ranks.leads:
            self._event("compile", chosen.sentence)
            say(chosen.sentence)

    def go(self, should_stop: Callable[[], bool]) -> None:
        """All steps that are left."""
        training = self.training
        self.marked_at = time.monotonic()
        while self.step < training.steps:
            epoch, place = divmod(self.step, training.steps_per_epoch)
            training.method.epoch = epoch
            if self.ranks.agree(self.ranks.leads and should_stop()):
                self._stop()
            if place == 0:
                training.begin_epoch(epoch)
            result = training.step(self.step)
            self.step += 1
            if not self.ranks.leads:
                continue
            self.divergence.see(self.step - 1, result.loss)
            if (self.step - 1) % self.stride == 0 or self.step == training.steps:
                self._line(result)
            self._report()
            ended = self.step % training.steps_per_epoch == 0
            if ended:
                self._end_epoch(epoch)
            self._save_by_time(ended)
        if self.ranks.leads:
            self._check_weights()
            self._save()

    def close(self) -> None:
        """Close the metrics file, and let go of what was compiled."""
        if self.way not in (None, compiling.PLAIN):
            compiling.forget()
        if self.metrics is not None:
            self.metrics.close()

    def _line(self, result: StepResult) -> None:
        seen = result.seen
        told = (result.loss, spread(seen.projection), self.divergence.seen, result.terms, seen.embedding[:RANK_ROWS])
        loss, spread_of, diverged, terms, rows = read_together(*told)
        self.loss, z_std, rank = float(loss), float(spread_of), float(effective_rank(rows))
        if diverged:
            self._check_divergence()
        self._mark()
        self._write(
            {
                "kind": "step",
                "step": self.step,
                "epoch": self._epoch(self.step),
                "loss": self.loss,
                "terms": terms.tolist(),
                "lr": self.training.schedule.lr(self.step - 1),
                "z_std": z_std,
                "effective_rank": rank,
                "images_per_s": self.speed,
                "time_s": round(self.time_s + time.monotonic() - self.marked_at, 3),
            }
        )
        if sentence := self.collapse.see(z_std):
            self._event("collapse", sentence)

    def _end_epoch(self, epoch: int) -> None:
        every = self.spec.evaluate.online_every_epochs
        last = epoch + 1 == self.spec.epochs
        if every > 0 and ((epoch + 1) % every == 0 or last):
            encoder, spec = self.training.method.encoder, self.spec
            accuracy = online_knn(
                encoder,
                self.training.imageset,
                spec.evaluate.knn,
                limit_train=spec.limit_train,
                device=self.training.device,
                show=showing(spec, self.training.imageset),
            )
            if accuracy is not None:
                line = {"kind": "eval", "step": self.step, "epoch": epoch + 1, "split": "val", "knn_top1": accuracy}
                self._write(line)

    def _save_by_time(self, ended: bool) -> None:
        """Every 30 s, or at the end of an epoch after 5 s; later where a checkpoint would cost over 1 % of the time."""
        since = time.monotonic() - self.saved_at
        wanted = _EPOCH_CHECKPOINT_AFTER_S if ended else CHECKPOINT_EVERY_S
        if since >= max(wanted, self.checkpoint_cost_s / _CHECKPOINT_SHARE):
            self._save()

    def _save(self) -> None:
        self._check_divergence()
        started = time.monotonic()
        self._event("checkpoint", f"Checkpoint at step {self.step}.")
        if self.metrics is None:
            raise ValueError("a checkpoint before the metrics file")
        write_checkpoint(
            self.folder,
            {
                "spec_hash": self.spec_hash,
                "step": self.step,
                "epoch": self.step // self.training.steps_per_epoch,
                "metrics_bytes": self.metrics.size,
                "way": self.way,
                **self.training.state(),
            },
        )
        self.saved_at = time.monotonic()
        self.checkpoint_cost_s = self.saved_at - started

    def _stop(self) -> None:
        if self.ranks.leads:
            self._event("stop", f"Stopped before step {self.step}; resume goes on from there.")
            self._save()
        raise Stopped(f"The run was stopped before step {self.step} of {self.training.steps}.")

    def _check_divergence(self) -> None:
        step = self.divergence.first()
        if step is not None:
            raise self._diverged(step)

    def _check_weights(self) -> None:
        """The last step's loss may be a number and the weights after it none."""
        weights = [p.isfinite().all() for p in self.training.method.encoder.parameters()]
        if not bool(torch.stack(weights).all()):
            raise self._diverged(self.training.steps - 1)

    def _diverged(self, step: int) -> RunError:
        epoch, lr = self._epoch(step), self.training.schedule.lr(step)
        place = f"step {step + 1} (epoch {epoch:.2f}, learning rate {lr:.3g})"
        remedy = "Lower the learning rate, lengthen the warm-up, or set precision to float32."
        self._event("diverged", f"The loss was no number at {place}. {remedy}")
        where = f"{self.folder.name}, {place}"
        return RunError.at(where, "loss", "a finite number", "NaN or inf", remedy)

    def _report(self) -> None:
        now = time.monotonic()
        if now - self.reported_at < _REPORT_EVERY_S and self.step < self.training.steps:
            return
        self.reported_at = now
        self._mark()
        left = (self.training.steps - self.step) * self.spec.batch_size
        self.report(
            Progress(
                phase="train",
                step=self.step,
                steps=self.training.steps,
                epoch=self._epoch(self.step),
                epochs=self.spec.epochs,
                images_per_s=self.speed,
                loss=self.loss,
                eta_s=left / self.speed if self.speed else None,
            )
        )

    def _mark(self) -> None:
        """Bring the speed and the time up to now."""
        now = time.monotonic()
        passed, steps = now - self.marked_at, self.step - self.marked_step
        if passed < _SPEED_EVERY_S:
            return
        if steps > 0:
            fresh = steps * self.spec.batch_size / passed
            self.speed = fresh if self.speed is None else _SPEED_MEMORY * self.speed + (1 - _SPEED_MEMORY) * fresh
        self.time_s += passed
        self.marked_at, self.marked_step = now, self.step

    def _epoch(self, step: int) -> float:
        return step / self.training.steps_per_epoch

    def _event(self, name: str, message: str) -> None:
        self._write({"kind": "event", "step": self.step, "name": name, "message": message})

    def _write(self, line: dict[str, Any]) -> None:
        if self.metrics is None:
            raise ValueError("a metric line before the metrics file")
        self.metrics.write(line)
