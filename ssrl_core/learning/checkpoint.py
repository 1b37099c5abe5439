"""Checkpoints: written whole or not at all, with a checksum beside them, the one before kept.

`torch.load` reads a flipped byte without a word, so no checkpoint is used whose sha256 is not the one beside it.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from pathlib import Path
from typing import Any

import torch

from ssrl_core import stores
from ssrl_core.errors import RunError

NAME = "checkpoint.pt"
PREVIOUS = "checkpoint.prev.pt"
VERSION = 1


def write_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write `checkpoint.pt` and its checksum; what was there becomes `checkpoint.prev.pt`.

    At every moment one of the two is whole and has its checksum.

    Args:
        state: tensors, numbers, texts, lists and dictionaries only, so that it can be read weights-only.

    Raises:
        RunError: it cannot be written (a full disk); the checkpoints that were there are untouched.
    """
    buffer = io.BytesIO()
    torch.save({"version": VERSION, **state}, buffer)
    content = buffer.getbuffer()
    digest = hashlib.sha256(content).hexdigest()
    current = folder / NAME
    try:
        if current.is_file() and _checksum(current).is_file():
            _keep_as_previous(folder)
        stores.replace(current, lambda file: _write(file, content))
        stores.replace(_checksum(current), digest + "\n")
    except OSError as error:
        raise RunError.at(
            folder.name,
            "checkpoint",
            "written to disk",
            error.strerror or str(error),
            f"Free space on the disk of {folder}, then resume the run: it continues from the checkpoint before.",
        ) from error


def read_checkpoint(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """The newest checkpoint that is whole, on the CPU.

    A damaged one loses its checksum, so that `write_checkpoint` never keeps it as the one before.

    Returns:
        Its state, or None if there is none, and a sentence for each checkpoint that is damaged.

    Raises:
        RunError: it was written by a newer Viewloom.
    """
    complaints = []
    for name in (NAME, PREVIOUS):
        path = folder / name
        if not path.is_file():
            continue
        content = path.read_bytes()
        if not _is_whole(path, content):
            _checksum(path).unlink(missing_ok=True)
            complaints.append(f"{name} is damaged (its sha256 is not the one beside it) and was not used.")
            continue
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if state["version"] > VERSION:
            raise RunError.at(
                folder.name,
                "checkpoint version",
                f"at most {VERSION}",
                state["version"],
                "Update Viewloom, or delete the checkpoint to start anew.",
            )
        return state, complaints
    return None, complaints


def _keep_as_previous(folder: Path) -> None:
    """A second name for the current file, so that it exists under its own name until the new one is whole."""
    current, previous = folder / NAME, folder / PREVIOUS
    digest = _checksum(current).read_text()
    second = folder / f".{PREVIOUS}.link"
    second.unlink(missing_ok=True)
    try:
        os.link(current, second)
    except OSError:  # file systems without hard links
        try:
            shutil.copyfile(current, second)
        except OSError:
            second.unlink(missing_ok=True)
            raise
    os.replace(second, previous)
    stores.replace(_checksum(previous), digest)


def is_whole(path: Path) -> bool:
    """Whether a checkpoint is what was written (its sha256 lies beside it)."""
    return _is_whole(path, path.read_bytes())


def _is_whole(path: Path, content: bytes) -> bool:
    try:
        return _checksum(path).read_text().strip() == hashlib.sha256(content).hexdigest()
    except (OSError, UnicodeDecodeError):
        return False


def _checksum(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _write(file: Any, content: memoryview) -> None:
    file.write(content)
