"""The encoder as safetensors: the run's own file, byte for byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ssrl_core import stores
from ssrl_core.exports.encoder_file import check as check
from ssrl_core.exports.encoder_file import encoder_path, metadata_and_keys
from ssrl_core.runs.folder.run_folder import RunFolder


def write(run: RunFolder, out: Path) -> dict[str, Any]:
    """See `exports`; tells backbone and dim."""
    path = encoder_path(run)
    metadata, _ = metadata_and_keys(path)
    stores.replace(out, path.read_bytes())
    return {"backbone": metadata["backbone"], "dim": int(metadata["dim"])}
