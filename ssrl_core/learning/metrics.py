"""What a run reports of itself: `metrics.jsonl` (contracts C7), the spread of projections, the rank of embeddings.

Beside that, what a training is watched for: kNN accuracy on validation images, a loss that is no number, a collapse.
"""

from __future__ import annotations

import json
import math
import os
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.errors import RunError
from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.embedding import Show, embed
from ssrl_core.learning.probes.knn import knn_top1

_STEP_LINES = 2000
_SPARSE_EVERY = 10
RANK_ROWS = 256


@torch.no_grad()
def read_together(*values: Tensor) -> list[Tensor]:
    """The same tensors on the host, as float32, each of its shape: the host waits for the device once."""
    found = torch.cat([value.detach().reshape(-1).float() for value in values]).cpu()
    parts = torch.split(found, [value.numel() for value in values])
    return [part.view(value.shape) for part, value in zip(parts, values, strict=True)]


def line_stride(steps: int) -> int:
    """A line every so many steps: at most 2,000 in a run; every tenth step in runs of 1,000 steps and more.

    A line waits for the device, so it is not written for every step.
    """
    return max(1, math.ceil(steps / _STEP_LINES), min(_SPARSE_EVERY, steps // 100))


@torch.no_grad()
def spread(projection: Tensor) -> Tensor:
    """z_std: sqrt(P) × mean over dimensions of the sd of unit-length projections (B,P); 1 spread, 0 collapsed."""
    unit = functional.normalize(projection.float(), dim=1)
    mean_sd: Tensor = unit.std(dim=0, unbiased=False).mean()
    return mean_sd * math.sqrt(projection.shape[1])


@torch.no_grad()
def effective_rank(embedding: Tensor) -> Tensor:
    """exp(entropy of the normalised singular values) of (B,D), on at most `RANK_ROWS` rows.

    Values that are not finite count as 0: whether a run diverges is asked elsewhere. On a GPU the host would wait for
    the solver: rows are best brought to it with what else is read.

    Source:
        Roy and Vetterli 2007, "The effective rank".
    """
    values = torch.linalg.svdvals(embedding[:RANK_ROWS].float().nan_to_num(0.0, 0.0, 0.0))
    shares = values / values.sum().clamp(min=1e-12)
    entropy: Tensor = torch.special.entr(shares).sum()
    return entropy.exp()


class MetricsFile:
    """One JSON object a line, appended and flushed; cut back to a length when a run resumes.

    Args:
        path: `metrics.jsonl` of the run folder.
        keep_bytes: what is beyond is dropped (written after the checkpoint that the run resumes from).
    """

    def __init__(self, path: Path, keep_bytes: int) -> None:
        self.path = path
        self._file = path.open("ab")
        self._file.truncate(min(keep_bytes, path.stat().st_size))
        self._file.seek(0, os.SEEK_END)

    def write(self, line: dict[str, Any]) -> None:
        """Append a line; NaN and infinity become null.

        Raises:
            RunError: the disk is full.
        """
        try:
            self._file.write((json.dumps(_finite(line), ensure_ascii=False) + "\n").encode())
            self._file.flush()
        except OSError as error:
            raise RunError.at(
                self.path.parent.name,
                self.path.name,
                "written to disk",
                error.strerror or str(error),
                f"Free space on the disk of {self.path.parent}, then resume the run.",
            ) from error

    def lines(self) -> list[dict[str, Any]]:
        """What is in the file."""
        text = self.path.read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines() if line]

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return value


BANK = 2000
QUERIES = 1000


class KnnChoice(Protocol):
    """What is needed of `RunSpec.evaluate.knn`."""

    def __getitem__(self, name: str, /) -> float: ...


def online_knn(
    encoder: Encoder,
    imageset: ImageSet,
    choice: KnnChoice,
    *,
    limit_train: int | None,
    device: torch.device,
    show: Show | None = None,
) -> float | None:
    """Top-1 of at most 1,000 validation images against a bank of at most 2,000 train images, untransformed.

    The images are those of lowest order, so that all runs are asked the same.

    Args:
        show: what of an image is embedded; else all of it.

    Returns:
        None where there is nothing to ask (no labels, no validation images).
    """
    bank = _labelled(imageset, "train", min(BANK, limit_train or BANK))
    queries = _labelled(imageset, "val", QUERIES)
    if not len(bank) or not len(queries):
        return None
    was_training = encoder.training
    arrays = [
        embed(encoder, imageset.pixels, ids, max_value=imageset.max_value, device=device, show=show)
        for ids in (bank, queries)
    ]
    encoder.train(was_training)
    labels = imageset.label_ids
    k, temperature = min(int(choice["k"]), len(bank)), float(choice["temperature"])
    return knn_top1(arrays[0], labels[bank], arrays[1], labels[queries], k=k, temperature=temperature)


def _labelled(imageset: ImageSet, split: str, most: int) -> NDArray[np.int64]:
    ids = imageset.split_ids(split)
    ids = ids[imageset.label_ids[ids] >= 0]
    order = imageset.table["order"].to_numpy()[ids]
    return np.sort(ids[np.argsort(order, kind="stable")[:most]])


COLLAPSED_BELOW = 0.02
COLLAPSED_LINES = 3
_NEVER = torch.iinfo(torch.int64).max


class Divergence:
    """The first step whose loss was no number, kept on the device so that no step waits for it."""

    def __init__(self, device: torch.device) -> None:
        self._first = torch.full((), _NEVER, dtype=torch.int64, device=device)

    @torch.no_grad()
    def see(self, step: int, loss: Tensor) -> None:
        """Take note of a step's loss."""
        self._first = torch.where(torch.isfinite(loss), self._first, self._first.clamp(max=step))

    @property
    def seen(self) -> Tensor:
        """Whether there was one, () on the device."""
        return self._first != _NEVER

    def first(self) -> int | None:
        """The first such step, or None; waits for the device."""
        step = int(self._first)
        return None if step == _NEVER else step


class Collapse:
    """Notices once that all images get nearly the same projection.

    Collapsed is: z_std below 0.02 (1 is evenly spread, 0 is one point) in three metric lines running. Healthy runs of
    the methods stay above 0.2; a run that collapses falls below 0.01 within a few dozen steps and stays there.

    Args:
        lines: what the metrics file already holds, when a run resumes.
    """

    def __init__(self, lines: Iterable[dict[str, Any]] = ()) -> None:
        self._recent: deque[float] = deque(maxlen=COLLAPSED_LINES)
        self._said = False
        for line in lines:
            if line["kind"] == "step" and line["z_std"] is not None:
                self._recent.append(line["z_std"])
            self._said = self._said or line.get("name") == "collapse"

    def see(self, z_std: float) -> str | None:
        """A sentence, the first time; else None."""
        self._recent.append(z_std)
        if self._said or len(self._recent) < COLLAPSED_LINES or max(self._recent) >= COLLAPSED_BELOW:
            return None
        self._said = True
        return (
            f"All images get nearly the same projection (z_std {z_std:.3f}, below {COLLAPSED_BELOW}): the network has "
            "collapsed. Lower the learning rate, raise the batch size, or weaken the composition. The training goes on."
        )
