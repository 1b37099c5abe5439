"""What a run reports of itself: `metrics.jsonl` (CONTRACTS C7), the spread of projections, the rank of embeddings."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ssrl_core.errors import RunError

_STEP_LINES = 2000
_SPARSE_EVERY = 10
_RANK_ROWS = 256


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
    """exp(entropy of the normalised singular values) of (B,D), on at most 256 rows.

    Source:
        Roy and Vetterli 2007, "The effective rank".
    """
    values = torch.linalg.svdvals(embedding[:_RANK_ROWS].float())
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
            raise RunError(
                where=self.path.parent.name,
                field=self.path.name,
                rule="written to disk",
                value=error.strerror or str(error),
                remedy=f"Free space on the disk of {self.path.parent}, then resume the run.",
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
