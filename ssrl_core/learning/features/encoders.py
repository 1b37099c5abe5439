"""A whole encoder as a bank: a backbone with ImageNet weights, a network of timm, or the network of a finished run."""

from __future__ import annotations

from torch import Tensor

from ssrl_core import stores
from ssrl_core.errors import SpecError
from ssrl_core.learning import features
from ssrl_core.learning.backbones import build as build_backbone
from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.encoders import load_encoder

NAMES: tuple[str, ...] = ()  # too many to list; `features.build` comes here for every other name


def build(name: str, images: Tensor, seed: int, mean: tuple[float, ...], sd: tuple[float, ...]) -> features.Bank:
    """See `features.build`; the encoder keeps the normalisation that it was made with.

    Raises:
        SpecError: there is no such run, or its images have another number of channels.
    """
    channels, side = images.shape[1:3]
    run = name.removeprefix("run:")
    if run == name:
        weights = {"weights": "imagenet", "mean": mean, "sd": sd}
        encoder = build_backbone(name, channels=channels, side=side, seed=seed, **weights)  # type: ignore[arg-type]
    else:
        encoder = _of_run(run, channels)
    return features.Bank(name, encoder, encoder.dim, (0.0,) * channels, (1.0,) * channels, inner=encoder)


def _of_run(run: str, channels: int) -> Encoder:
    path = stores.run_folder(run) / "encoder.safetensors"
    if not path.is_file():
        raise SpecError.at(
            "Feature bank", "run", "a run whose encoder is there", run, "Wait until it is done, or name another."
        )
    encoder = load_encoder(path)
    if encoder.channels != channels:
        raise SpecError.at(
            f"Feature bank run:{run}",
            "channels",
            f"{encoder.channels}, as many as the run was trained on",
            channels,
            "Choose a run on images with as many channels.",
        )
    return encoder
