"""`compose lpips`: how different the views of a composition look, by class and by step."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.cli.output import leaf, table
from ssrl_core.errors import SpecError
from ssrl_core.specs.lpips_networks import NAMES, USUAL

if TYPE_CHECKING:
    from ssrl_core.compositions.perceptual import Lpips
    from ssrl_core.specs.composition import Composition


def register(actions: Any) -> None:
    """Add the action."""
    lpips = leaf(actions, "lpips", run=_run, show=_show, help="LPIPS between the views of a composition")
    lpips.add_argument("composition", metavar="C", help="a preset, a saved name or a file")
    lpips.add_argument("--dataset", required=True, metavar="D", help="the image set")
    lpips.add_argument("--images", type=int, default=64, metavar="N", help="how many images (default: 64)")
    lpips.add_argument("--seed", type=int, default=5, help="decides the images and the draws (default: 5)")
    lpips.add_argument("--net", default=USUAL, help=f"the network behind it: {NAMES} (default: {USUAL})")
    lpips.add_argument("--size", type=int, default=64, metavar="PX", help="smaller views are enlarged to this side")
    lpips.add_argument("--by", choices=("class", "step"), action="append", default=[], help="in parts; may be repeated")


def _run(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.compositions import perceptual, perceptual_parts
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
        lpips, dropped = perceptual_parts.by_step(composition, measure)
        steps = [asdict(step) for step in dropped]
    else:
        lpips = measure(composition)
    classes = _classes(imageset, ids, lpips) if "class" in args.by else None
    return {**lpips.as_dict(), **_interval(lpips), "classes": classes, "steps": steps}


def _interval(lpips: Lpips) -> dict[str, float]:
    from ssrl_core.compositions.perceptual_parts import summary

    mean = summary(lpips.values)
    return {"low": mean.low, "high": mean.high}


def _ids(count: int, wanted: int, seed: int) -> Any:
    if wanted < 1:
        raise SpecError(where="compose lpips", field="--images", rule="1 or more", value=wanted, remedy="Raise it.")
    if not 0 <= seed < 2**32:
        raise SpecError(where="compose lpips", field="--seed", rule="in 0..2^32-1", value=seed, remedy="Change it.")
    return np.sort(np.random.default_rng(seed).permutation(count)[:wanted])


def _classes(imageset: Any, ids: Any, lpips: Lpips) -> dict[str, Any]:
    from ssrl_core.compositions.perceptual_parts import by_class

    if not imageset.classes:
        raise SpecError(
            where="compose lpips",
            field="--by",
            rule="step for an image set without labels",
            value="class",
            remedy="Choose a label column when the image set is imported (--label).",
        )
    labels = imageset.table["label_id"].to_numpy()[ids]
    names = [imageset.classes[label] if label >= 0 else "none" for label in labels]
    return {name: asdict(mean) for name, mean in by_class(lpips, names).items()}


def _show(data: dict[str, Any]) -> str:
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
