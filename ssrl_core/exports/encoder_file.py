"""The encoder of a run as a file: where it is, what its metadata say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ssrl_core.errors import RunError
from ssrl_core.runs.folder import RunFolder


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


def metadata_and_keys(path: Path) -> tuple[dict[str, str], list[str]]:
    """Metadata and names of the tensors, without reading the weights."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        opened: Any = file
        return dict(opened.metadata() or {}), list(opened.keys())
