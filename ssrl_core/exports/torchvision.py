"""The encoder as a state dict for torchvision's network of the same name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ssrl_core import stores
from ssrl_core.errors import SpecError
from ssrl_core.exports.encoder_file import encoder_path, metadata_and_keys
from ssrl_core.exports.loading import loading_code, torchvision_name
from ssrl_core.runs.folder.run_folder import RunFolder


def write(run: RunFolder, out: Path) -> dict[str, Any]:
    """See `exports`; tells the network's name in torchvision and the lines of Python that load the file.

    Raises:
        SpecError: a backbone that torchvision has not.
    """
    import torch
    from safetensors.torch import load_file

    name, metadata, keys = _named(run)
    state = load_file(encoder_path(run))
    stores.replace(out, lambda file: torch.save(state, file))
    return {"network": name, "code": loading_code(metadata, keys, out.name)}


def check(run: RunFolder) -> None:
    """Raise what `write` would, without reading the weights."""
    _named(run)


def _named(run: RunFolder) -> tuple[str, dict[str, str], list[str]]:
    """The network's name in torchvision, metadata and keys of the encoder.

    Raises:
        SpecError: a backbone that torchvision has not.
    """
    metadata, keys = metadata_and_keys(encoder_path(run))
    name = torchvision_name(metadata["backbone"], keys)
    if name is None:
        raise SpecError(
            where=f"Run {run.id}",
            field="backbone",
            rule="one that torchvision has",
            value=metadata["backbone"],
            remedy="Export to safetensors or onnx; the model card has the lines that load it.",
        )
    return name, metadata, keys
