"""`lpips`: how different images look from a reference."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssrl_core.cli.output import leaf
from ssrl_core.errors import DataError, SpecError
from ssrl_core.specs.lpips_networks import NAMES, USUAL

if TYPE_CHECKING:
    from torch import Tensor


def register(commands: Any) -> None:
    """Add `lpips REF IMG...`."""
    lpips = leaf(commands, "lpips", run=_run, show=_show, help="LPIPS distance of images to a reference image")
    lpips.add_argument("reference", metavar="REF", help="an image file")
    lpips.add_argument("images", metavar="IMG", nargs="+", help="image files of the same size")
    lpips.add_argument("--net", default=USUAL, help=f"the network behind it: {NAMES} (default: {USUAL})")


def _run(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.compositions import perceptual

    if why := perceptual.missing(args.net):
        raise SpecError(why)
    reference = _image(args.reference)
    distances = []
    for name in args.images:
        image = _image(name)
        if image.shape != reference.shape:
            raise SpecError(
                where=name,
                field="size",
                rule=f"{_size(reference)}, as the reference",
                value=_size(image),
                remedy="Resize one of the two.",
            )
        distances.append(float(perceptual.distance(reference, image, net=args.net)[0]))
    size = perceptual.size_px(min(reference.shape[2:]))
    return {"distances": distances, "backbone": args.net, "size_px": size}


def _show(data: dict[str, Any]) -> str:
    lines = [f"{distance:.4f}" for distance in data["distances"]]
    return "\n".join([*lines, f"({data['backbone']}, compared at {data['size_px']} px)"])


def _image(name: str) -> Tensor:
    """(1, 3, H, W) in 0..1 of a file."""
    import numpy as np
    import torch

    from ssrl_core.compositions.lpips_network import coloured
    from ssrl_core.datasets.readers import images

    try:
        with Path(name).open("rb") as file:
            pixels = images.decode(file)
    except OSError as error:
        raise SpecError(
            where="lpips", field="image", rule="a file that can be read", value=name, remedy=f"{error.strerror}."
        ) from error
    except DataError as error:
        raise DataError(f"{name}: {error.message}.") from error
    if len(pixels) != 1:
        raise DataError(f"{name}: one image was expected, the file has {len(pixels)} pages. Save one page as a file.")
    return coloured(torch.from_numpy(pixels.astype(np.float32) / np.iinfo(pixels.dtype).max))


def _size(image: Tensor) -> str:
    return f"{image.shape[3]} × {image.shape[2]} px"
