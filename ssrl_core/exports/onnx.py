"""The encoder as ONNX: images in 0..1 in, embeddings out, any number of images at a time."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

from ssrl_core import stores
from ssrl_core.exports.encoder_file import check_safetensors, encoder_path
from ssrl_core.runs.folder.run_folder import RunFolder

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
