"""The encoder of a run as a file: as it is (safetensors), as a state dict for torchvision's own network, or ONNX."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

from ssrl_core import stores
from ssrl_core.errors import DataError, RunError, SpecError
from ssrl_core.exports.loading import loading_code, torchvision_name
from ssrl_core.runs.folder.run_folder import RunFolder, imageset_of


def encoder_path(run: RunFolder) -> Path:
    """`encoder.safetensors` of a run; the example's, which ships without, is solved for when it is first asked for.

    Raises:
        RunError: the run has not learnt yet.
    """
    path = run.path / "encoder.safetensors"
    if _ships_without(run):
        path = stores.exports_root() / f"{run.id}-encoder.safetensors"
        if not path.is_file():
            _solve(run, path)
    if not path.is_file():
        state = run.state()["state"]
        raise RunError(f"Run {run.id}: there is no encoder yet (the run is {state}). Wait until it is done.")
    return path


def check_safetensors(run: RunFolder) -> None:
    """Raise what is known against an encoder, without reading its weights.

    Raises:
        RunError: there is none yet. DataError: its file is damaged.
    """
    if not _ships_without(run):
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
        raise DataError.at(str(path), "weights", "a safetensors file", str(error), "Train the run again.") from error


def write_safetensors(run: RunFolder, out: Path) -> dict[str, Any]:
    """The run's own file, byte for byte; tells backbone and dim."""
    path = encoder_path(run)
    metadata, _ = metadata_and_keys(path)
    stores.replace(out, path.read_bytes())
    return {"backbone": metadata["backbone"], "dim": int(metadata["dim"])}


def write_torchvision(run: RunFolder, out: Path) -> dict[str, Any]:
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


def check_torchvision(run: RunFolder) -> None:
    """Raise what `write_torchvision` would, without reading the weights."""
    _named(run)


def _named(run: RunFolder) -> tuple[str, dict[str, str], list[str]]:
    """The network's name in torchvision, metadata and keys of the encoder.

    Raises:
        SpecError: a backbone that torchvision has not.
    """
    metadata, keys = metadata_and_keys(encoder_path(run))
    name = torchvision_name(metadata["backbone"], keys)
    if name is None:
        raise SpecError.at(
            f"Run {run.id}",
            "backbone",
            "one that torchvision has",
            metadata["backbone"],
            "Export to safetensors or onnx; the model card has the lines that load it.",
        )
    return name, metadata, keys


def _ships_without(run: RunFolder) -> bool:
    """Whether it is a run of the example, whose network is not in its folder."""
    return run.is_demo and not (run.path / "encoder.safetensors").is_file() and run.spec().is_solved


def _solve(run: RunFolder, path: Path) -> None:
    """Make the network that the example ships without: the same images and seed give the same numbers, in seconds."""
    from ssrl_core.learning.encoders import save_encoder
    from ssrl_core.learning.loop import encoder_metadata
    from ssrl_core.learning.solving import solve_run

    spec = run.spec()
    imageset = imageset_of(spec)
    save_encoder(path, solve_run(spec, imageset), encoder_metadata(spec, imageset))


_OPSET = 18


check_onnx = check_safetensors


def write_onnx(run: RunFolder, out: Path) -> dict[str, Any]:
    """See `exports`; tells the names and shapes of input and output."""
    import torch

    from ssrl_core.learning.encoders import load_encoder

    encoder = load_encoder(encoder_path(run))
    example = torch.zeros(2, encoder.channels, encoder.side, encoder.side)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own internals
        program = torch.onnx.export(
            encoder,
            (example,),
            dynamo=True,
            opset_version=_OPSET,
            input_names=["images"],
            output_names=["embedding"],
            dynamic_shapes={"images": {0: torch.export.Dim("batch", min=1)}},
            verbose=False,
        )
    if program is None:
        raise ValueError("the exporter returned no program")
    stores.replace(out, program.model_proto.SerializeToString())
    shape = ["batch", encoder.channels, encoder.side, encoder.side]
    return {"opset": _OPSET, "input": {"images": shape}, "output": {"embedding": ["batch", encoder.dim]}}
