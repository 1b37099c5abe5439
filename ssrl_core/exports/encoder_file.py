"""The encoder of a run as a file: where it is, what its metadata say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ssrl_core.errors import DataError, RunError
from ssrl_core.runs.folder.run_folder import RunFolder


def encoder_path(run: RunFolder) -> Path:
    """`encoder.safetensors` of a run.

    Raises:
        RunError: the run has not learnt yet.
    """
    path = run.path / "encoder.safetensors"
    if not path.is_file():
        state = run.state()["state"]
        raise RunError(f"Run {run.id}: there is no encoder yet (the run is {state}). Wait until it is done.")
    return path


def check(run: RunFolder) -> None:
    """Raise what is known against an encoder, without reading its weights.

    Raises:
        RunError: there is none yet. DataError: its file is damaged.
    """
    metadata_and_keys(encoder_path(run))


def metadata_and_keys(path: Path) -> tuple[dict[str, str], list[str]]:
    """Metadata and names of the tensors, without reading the weights.

    Raises:
        DataError: the file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            opened: Any = file
            return dict(opened.metadata() or {}), list(opened.keys())
    except (SafetensorError, OSError) as error:
        raise DataError(
            where=str(path), field="weights", rule="a safetensors file", value=str(error), remedy="Train the run again."
        ) from error
