"""`lpips` and `compose lpips`: how different images, or the views of a composition, look."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.cli.output import leaf, table
from ssrl_core.compositions.lpips import NETWORKS
from ssrl_core.errors import DataError, SpecError

if TYPE_CHECKING:
    from torch import Tensor

    from ssrl_core.compositions.perceptual import Lpips
    from ssrl_core.specs.composition import Composition


NET_HELP = f"the network behind it: {' or '.join(NETWORKS)} (default: alex)"


def register(commands: Any) -> None:
    """Add `lpips REF IMG...`."""
    lpips = leaf(commands, "lpips", run=_run, show=_show, help="LPIPS distance of images to a reference image")
    lpips.add_argument("reference", metavar="REF", help="an image file")
    lpips.add_argument("images", metavar="IMG", nargs="+", help="image files of the same size")
    lpips.add_argument("--net", default="alex", help=NET_HELP)


def _run(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.compositions import perceptual

    if why := perceptual.missing(args.net):
        raise SpecError(why)
    reference = _image(args.reference)
    distances = []
    for name in args.images:
        image = _image(name)
        if image.shape != reference.shape:
            raise SpecError.at(
                name, "size", f"{_size(reference)}, as the reference", _size(image), "Resize one of the two."
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

    from ssrl_core.compositions.perceptual import coloured
    from ssrl_core.datasets.reading import image as images

    try:
        with Path(name).open("rb") as file:
            pixels = images.decode(file)
    except OSError as error:
        raise SpecError.at("lpips", "image", "a file that can be read", name, f"{error.strerror}.") from error
    except DataError as error:
        raise DataError(f"{name}: {error.message}.") from error
    if len(pixels) != 1:
        raise DataError(f"{name}: one image was expected, the file has {len(pixels)} pages. Save one page as a file.")
    return coloured(torch.from_numpy(pixels.astype(np.float32) / np.iinfo(pixels.dtype).max))


def _size(image: Tensor) -> str:
    return f"{image.shape[3]} × {image.shape[2]} px"


def register_compose(actions: Any) -> None:
    """Add the action."""
    lpips = leaf(
        actions, "lpips", run=_run_compose, show=_show_compose, help="LPIPS between the views of a composition"
    )
    lpips.add_argument("composition", metavar="C", help="a preset, a saved name or a file")
    lpips.add_argument("--dataset", required=True, metavar="D", help="the image set")
    lpips.add_argument("--images", type=int, default=64, metavar="N", help="how many images (default: 64)")
    lpips.add_argument("--seed", type=int, default=5, help="decides the images and the draws (default: 5)")
    lpips.add_argument("--net", default="alex", help=NET_HELP)
    lpips.add_argument("--size", type=int, default=64, metavar="PX", help="smaller views are enlarged to this side")
    lpips.add_argument("--by", choices=("class", "step"), action="append", default=[], help="in parts; may be repeated")


def _run_compose(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.compositions import lpips, perceptual
    from ssrl_core.datasets import store
    from ssrl_core.specs.composition import load

    composition = load(args.composition)
    imageset = store.load(args.dataset, report=lambda done, total, what: None)
    ids = _ids(imageset.count, args.images, args.seed)
    if why := perceptual.missing(args.net):
        raise SpecError(why)

    def measure(made: Composition) -> Lpips:
        return perceptual.measure(imageset, made, ids, seed=args.seed, net=args.net, smallest_px=args.size)

    steps = None
    if "step" in args.by:
        found, dropped = lpips.by_step(composition, measure)
        steps = [asdict(step) for step in dropped]
    else:
        found = measure(composition)
    classes = _classes(imageset, ids, found) if "class" in args.by else None
    return {**found.as_dict(), **_interval(found), "classes": classes, "steps": steps}


def _interval(found: Lpips) -> dict[str, float]:
    from ssrl_core.compositions.lpips import summary

    mean = summary(found.values)
    return {"low": mean.low, "high": mean.high}


def _ids(count: int, wanted: int, seed: int) -> Any:
    if wanted < 1:
        raise SpecError.at("compose lpips", "--images", "1 or more", wanted, "Raise it.")
    if not 0 <= seed < 2**32:
        raise SpecError.at("compose lpips", "--seed", "in 0..2^32-1", seed, "Change it.")
    return np.sort(np.random.default_rng(seed).permutation(count)[:wanted])


def _classes(imageset: Any, ids: Any, found: Lpips) -> dict[str, Any]:
    from ssrl_core.compositions.lpips import by_class

    if not imageset.classes:
        raise SpecError.at(
            "compose lpips",
            "--by",
            "step for an image set without labels",
            "class",
            "Choose a label column when the image set is imported (--label).",
        )
    labels = imageset.table["label_id"].to_numpy()[ids]
    names = [imageset.classes[label] if label >= 0 else "none" for label in labels]
    return {name: asdict(mean) for name, mean in by_class(found, names).items()}


def _show_compose(data: dict[str, Any]) -> str:
    lines = [
        f"LPIPS {data['mean']:.4f} ± {data['sd']:.4f} over {data['n']} images, 95 % interval of the mean "
        f"{data['low']:.4f} to {data['high']:.4f} ({data['backbone']}, compared at {data['size_px']} px)"
    ]
    if data["classes"] is not None:
        lines.append(
            table([{"class": k, **v} for k, v in data["classes"].items()], ["class", "n", "mean", "low", "high"])
        )
    if data["steps"] is not None:
        rows = [{**step, **step["drop"], "drop": step["drop"]["mean"]} for step in data["steps"]]
        lines.append(table(rows, ["place", "sentence", "drop", "low", "high"]))
    return "\n".join(lines)
