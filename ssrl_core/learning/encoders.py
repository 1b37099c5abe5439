"""Encoders as files: torchvision's key names, deterministic bytes, everything needed to build them again."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ssrl_core import stores
from ssrl_core.errors import DataError
from ssrl_core.learning.backbones import build, solved
from ssrl_core.learning.backbones.encoder import Encoder

_DTYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64"}
_ALIGN = 8


def save_encoder(path: Path, encoder: Encoder, metadata: Mapping[str, str]) -> None:
    """Write an encoder as safetensors, whole or not at all.

    The tensors have the body's names (torchvision's, without head), sorted; normalisation and shape are in the
    metadata. The bytes depend on weights and metadata only: the `safetensors` package writes its metadata in an order
    that changes from process to process, so the header is written here.

    Args:
        metadata: texts, e.g. the resolved spec; no times, paths or hosts, so that the same spec gives the same bytes.
    """
    write_tensors(path, encoder.body.state_dict(), {**metadata, **_shape(encoder)})


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors as safetensors with their checksum, whole or not at all; the same tensors give the same bytes."""
    state = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    content = _tensors(state)
    stores.replace(path, _safetensors(state, content, {**metadata, "crc32": _crc32(content)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a file of `write_tensors`.

    Raises:
        ValueError: its bytes are not those that were written; and what the file system and `safetensors` raise.
    """
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
    if "crc32" in metadata and metadata["crc32"] != _crc32(_tensors(state)):  # older files have none
        raise ValueError("its bytes are not those that were written")
    return state, metadata


def load_encoder(path: Path) -> Encoder:
    """An encoder written by `save_encoder`, on the CPU, in evaluation mode.

    Raises:
        DataError: the file is missing, damaged, or is not an encoder of ours.
    """
    from safetensors import SafetensorError

    try:
        state, metadata = read_tensors(path)
        encoder = rebuild(metadata, state)
        encoder.body.load_state_dict(state)
    except FileNotFoundError as error:
        raise DataError(f"{path}: the encoder is missing. Train the run again, or restore the file.") from error
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        raise DataError(f"{path}: this is not an encoder that Viewloom wrote, or it is damaged ({error}).") from error
    return encoder.eval()


def rebuild(metadata: Mapping[str, str], state: Mapping[str, Tensor]) -> Encoder:
    """An encoder of the kind that metadata and tensors of a file describe, its weights to be laid in."""
    if metadata["backbone"].startswith(solved.PREFIX):
        return solved.rebuilt(metadata, state)
    return build(
        metadata["backbone"],
        channels=int(metadata["channels"]),
        side=int(metadata["side_px"]),
        stem=metadata["stem"],
        mean=json.loads(metadata["mean"]),
        sd=json.loads(metadata["sd"]),
        seed=0,
        keys=state.keys(),
    )


def _shape(encoder: Encoder) -> dict[str, str]:
    """What is needed to build it again; of a solved network whose bank is an encoder, that one's too."""
    solution: dict[str, str] = {}
    if isinstance(encoder.body, solved.Solved):
        bank = encoder.body.bank
        inner = {"inner": json.dumps(_shape(bank), sort_keys=True)} if isinstance(bank, Encoder) else {}
        solution = {"features": str(encoder.body.map.in_features), **inner}
    return {
        **solution,
        "backbone": encoder.name,
        "channels": str(encoder.channels),
        "dim": str(encoder.dim),
        "format": "pt",
        "mean": json.dumps(encoder.mean.flatten().tolist()),
        "sd": json.dumps(encoder.sd.flatten().tolist()),
        "side_px": str(encoder.side),
        "stem": encoder.stem,
    }


def _tensors(state: Mapping[str, Tensor]) -> dict[str, bytes]:
    """The bytes of each tensor, in the order of the names."""
    return {key: state[key].reshape(-1).view(torch.uint8).numpy().tobytes() for key in sorted(state)}


def _crc32(content: Mapping[str, bytes]) -> str:
    found = stores.Checksum()
    for part in content.values():
        found.write(part)
    return found.text()


def _safetensors(state: Mapping[str, Tensor], content: Mapping[str, bytes], metadata: Mapping[str, str]) -> bytes:
    """The safetensors format: length of the header (8 bytes), header (JSON, padded), the tensors one after another."""
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    offset = 0
    for key, part in content.items():
        place = [offset, offset + len(part)]
        header[key] = {"dtype": _DTYPES[state[key].dtype], "shape": list(state[key].shape), "data_offsets": place}
        offset += len(part)
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGN)
    return struct.pack("<Q", len(text)) + text + b"".join(content.values())
