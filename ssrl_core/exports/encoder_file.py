"""The encoder of a run as a file: as it is (safetensors), for torchvision's own network, or ONNX; how it is loaded."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ssrl_core import stores
from ssrl_core.errors import DataError, RunError, SpecError
from ssrl_core.runs.folder.run_folder import RunFolder, imageset_of

_TINY = """def block(inputs, outputs, kernel, stride):
    convolution = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())

network = nn.Sequential(OrderedDict(
    features=nn.Sequential(
        block({channels}, 32, 5, {stride}), block(32, 64, 3, 2), block(64, 128, 3, 2), block(128, 128, 3, 1)
    ),
    pool=nn.AdaptiveAvgPool2d(1),
    flat=nn.Flatten(),
))"""


_SOLVED = """from torch import Tensor
from torch.nn import functional

{bank}
network = nn.Sequential(OrderedDict(bank=bank, map=nn.Linear({features}, {dim})))"""

_ENCODER = """class Bank(nn.Module):
    def __init__(self, body):
        super().__init__()
        self.body = body
        self.register_buffer("mean", torch.zeros(1, {channels}, 1, 1))
        self.register_buffer("sd", torch.ones(1, {channels}, 1, 1))

    def forward(self, images):
        images = (images - self.mean) / self.sd
        side = max(images.shape[-1], {least})
        return self.body(functional.interpolate(images, size=(side, side), mode="bilinear"))

bank = Bank(network)"""


def torchvision_name(backbone: str, keys: Collection[str]) -> str | None:
    """Name of the network in torchvision, None where it has none; VGG has batch norm where its weights have it."""
    if backbone == "tiny_cnn" or "/" in backbone:
        return None
    if backbone.startswith("vgg") and any(key.endswith("running_mean") for key in keys):
        return f"{backbone}_bn"
    return backbone


def loading_code(metadata: Mapping[str, str], keys: Collection[str], file: str) -> str:
    """Python that makes `network` from a file and `embed(images)` from it.

    Args:
        metadata: of `encoder.safetensors`.
        keys: names of its tensors.
        file: name of the exported file; `.pth` is read weights-only.
    """
    network = _network(metadata, keys)
    reading = "load_file" if file.endswith(".safetensors") else "torch.load"
    weights = f'load_file("{file}")' if reading == "load_file" else f'torch.load("{file}", weights_only=True)'
    imports = ["from collections import OrderedDict\n"] if "OrderedDict" in network else []
    imports += ["import torch"]
    imports += ["import torchvision"] if "torchvision." in network else []
    imports += ["from safetensors.torch import load_file"] if reading == "load_file" else []
    imports += ["from torch import nn"]
    mean, sd = (json.loads(metadata[name]) for name in ("mean", "sd"))
    return "\n".join(
        [
            *imports,
            "",
            network,
            f"network.load_state_dict({weights})",
            "network.eval()",
            f"mean, sd = (torch.tensor(v).view(1, -1, 1, 1) for v in ({mean}, {sd}))",
            "",
            "@torch.inference_mode()",
            "def embed(images):",
            f'    """(B, {metadata["channels"]}, {metadata["side_px"]}, {metadata["side_px"]}) in 0..1 '
            f'to (B, {metadata["dim"]})."""',
            *_enlarging(metadata),
            f"    return network({_input(metadata)})",
        ]
    )


def _network(metadata: Mapping[str, str], keys: Collection[str]) -> str:
    backbone, channels, small = metadata["backbone"], metadata["channels"], metadata["stem"] == "small"
    if "features" in metadata:
        return _SOLVED.format(bank=_bank(metadata, keys), features=metadata["features"], dim=metadata["dim"])
    name = torchvision_name(backbone, keys)
    if backbone == "tiny_cnn":
        return _TINY.format(channels=channels, stride=2 if small else 4)
    if backbone.startswith("timm/"):
        return f'import timm\nnetwork = timm.create_model("{backbone[5:]}", num_classes=0, in_chans={channels})'
    if backbone.startswith("vgg"):
        lines = [
            f"network = torchvision.models.{name}()",
            f"network.features[0] = nn.Conv2d({channels}, 64, 3, padding=1)",
            "network.avgpool = nn.AdaptiveAvgPool2d(1)",
            "network.classifier = nn.Identity()",
        ]
    elif backbone.startswith("convnext"):
        patch = 2 if small else 4
        lines = [
            f"network = torchvision.models.{name}(stochastic_depth_prob=0.0)",
            f"network.features[0][0] = nn.Conv2d({channels}, 96, {patch}, stride={patch})",
            "network.classifier = nn.Sequential(network.classifier[0], nn.Flatten(1))",
        ]
    else:
        first = "3, padding=1" if small else "7, stride=2, padding=3"
        lines = [
            f"network = torchvision.models.{name}()",
            f"network.conv1 = nn.Conv2d({channels}, 64, {first}, bias=False)",
            *(["network.maxpool = nn.Identity()"] if small else []),
            "network.fc = nn.Identity()",
        ]
    return "\n".join(lines)


def _bank(metadata: Mapping[str, str], keys: Collection[str]) -> str:
    """Lines that make the feature bank of a solved network."""
    from ssrl_core.learning.features import source

    if "inner" not in metadata:
        return source(metadata["backbone"].partition("/")[2], int(metadata["channels"]))
    inner = json.loads(metadata["inner"])
    own = [key.removeprefix("bank.body.") for key in keys if key.startswith("bank.body.")]
    wrapped = _ENCODER.format(channels=inner["channels"], least=_smallest(inner) or 1)
    return f"{_network(inner, own)}\n\n{wrapped}"


def _input(metadata: Mapping[str, str]) -> str:
    return "images" if _smallest(metadata) else "(images - mean) / sd"


def _enlarging(metadata: Mapping[str, str]) -> list[str]:
    """VGG and ConvNeXt halve the side five times (small ConvNeXt four): smaller images are enlarged first."""
    side = _smallest(metadata)
    if not side:
        return []
    return [
        f"    images = nn.functional.interpolate((images - mean) / sd, size=({side}, {side}), mode='bilinear')",
    ]


def _smallest(metadata: Mapping[str, str]) -> int:
    """The side that images are enlarged to, 0 where they are large enough."""
    backbone, small = metadata["backbone"], metadata["stem"] == "small"
    least = {"vgg": 32, "tin": 8, "con": 16 if small else 32}.get(backbone[:3], 1)
    return least if int(metadata["side_px"]) < least else 0


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
