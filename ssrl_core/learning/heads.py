"""What the loss saw, kept: projector and momentum network as a file, and the encoder that embeds with one of them.

`evaluate.embed` says what is embedded: the backbone's pooled features, what the projector makes of them (`head`), or
what the momentum network's own backbone and projector make of the image (`teacher`).
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import Tensor, nn

from ssrl_core.errors import DataError
from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.checkpoint import read_checkpoint
from ssrl_core.learning.encoders import read_tensors, write_tensors
from ssrl_core.learning.methods import build_method
from ssrl_core.learning.methods.base import Method, Setup
from ssrl_core.specs.run import BACKBONE, HEADS_FILE, RunSpec, heads_gone

_HEAD, _TEACHER = "projector.", ("encoder.", "projector.")


def embedder(folder: Path, spec: RunSpec, encoder: Encoder, images: int) -> Encoder:
    """The network whose output is embedded, on the CPU, in evaluation mode.

    The heads are taken from the checkpoint that a training ends with, and kept beside the encoder: checkpoints go when
    a run is done. Where each term has heads of its own, the first term's are taken.

    Args:
        folder: of a run that has learnt.
        encoder: its network.
        images: train images of the run.

    Raises:
        SpecError: neither its heads nor its last checkpoint were kept.
        DataError: the file of the heads is damaged.
    """
    embed = spec.evaluate.embed
    if embed == BACKBONE:
        return encoder
    if not (folder / HEADS_FILE).is_file():
        write_tensors(folder / HEADS_FILE, _from_checkpoint(folder, encoder, embed), {"format": "pt"})
    method = _method(spec, encoder, images)
    _load(method, read_heads(folder / HEADS_FILE))
    network, heads = method.encoder, method.heads
    if embed == "teacher":
        network, heads = method.teacher["encoder"], method.teacher  # type: ignore[assignment]
    return _joined(network.body, method.projection(heads["projector"]), encoder, spec.method["projection_dim"])


def read_heads(path: Path) -> dict[str, Tensor]:
    """The tensors of projector and momentum network.

    Raises:
        DataError: the file is damaged.
    """
    from safetensors import SafetensorError

    try:
        return read_tensors(path)[0]
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(f"{path}: the heads cannot be read ({error}). Train the run once more.") from error


def _from_checkpoint(folder: Path, encoder: Encoder, embed: str) -> dict[str, Tensor]:
    """Projector and momentum network of the checkpoint that the encoder is of."""
    state, _ = read_checkpoint(folder)
    body = {f"body.{key}": value.cpu() for key, value in encoder.body.state_dict().items()}
    if state is None or not all(torch.equal(state["model"][key], value) for key, value in body.items()):
        raise heads_gone(folder.name, embed)
    heads = {key: value for key, value in state["method"]["heads"].items() if key.startswith(_HEAD)}
    return heads | {f"teacher.{key}": value for key, value in state["momentum"].items() if key.startswith(_TEACHER)}


def _method(spec: RunSpec, encoder: Encoder, images: int) -> Method:
    """The method with heads as they were built, for weights to be laid in."""
    setup = Setup(batch_size=spec.batch_size // spec.accumulate, images=images, seed=spec.seed)
    return build_method(spec.method.name, copy.deepcopy(encoder).cpu(), spec.method.settings, setup)


def _load(method: Method, tensors: dict[str, Tensor]) -> None:
    places = {"projector.": method.heads["projector"]}
    places |= {f"teacher.{part}": method.teacher[part[:-1]] for part in _TEACHER if part[:-1] in method.teacher}
    for prefix, module in places.items():
        module.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})


def _joined(body: nn.Module, head: nn.Module, like: Encoder, dim: int) -> Encoder:
    """A backbone and a head as one encoder of images of the same kind."""
    made = Encoder(
        nn.Sequential(body, head),
        name=like.name,
        dim=dim,
        channels=like.channels,
        side=like.side,
        stem=like.stem,
        min_side=like.min_side,
        mean=like.mean.flatten().tolist(),
        sd=like.sd.flatten().tolist(),
    )
    return made.eval()
