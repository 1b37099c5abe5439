"""`fetch`: official weights and image sets from the network, before anything needs them."""

from __future__ import annotations

import argparse
from typing import Any

from ssrl_core.cli.output import ProgressLines, leaf
from ssrl_core.errors import SpecError

ARCHIVES = ("mnist", "cifar10", "cifar100")


def register(commands: Any) -> None:
    """Add the command."""
    parser = leaf(
        commands,
        "fetch",
        run=_fetch,
        show=_show,
        help="fetch weights (alexnet, vgg16, …) or image sets (mnist, cifar10, cifar100) from the network",
        description="Fetch ImageNet weights of a network, or an image set, from its official address. What came before "
        "a connection was cut is kept and gone on from. Without a name: what there is and what is here.",
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="a network or an image set; left out: list them")


def _fetch(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.runs import jobs

    if args.name is None:
        return {"files": [_standing(name) for name in _names()]}
    if args.name not in _names():
        raise SpecError.at("fetch", "NAME", "one of " + ", ".join(_names()), args.name, "See `fetch` without a name.")
    with jobs.Reporter() as told:
        report = ProgressLines(told)
        if args.name in ARCHIVES:
            from ssrl_core.datasets import store

            store.load(args.name, report=report)
        else:
            from ssrl_core.learning.backbones.weights import fetch_imagenet

            fetch_imagenet(args.name, report)
    return {"files": [_standing(args.name)]}


def _names() -> list[str]:
    from ssrl_core.specs.backbones import BACKBONES

    return list(dict.fromkeys(["alexnet", "vgg16", *(r.name for r in BACKBONES.values() if r.imagenet), *ARCHIVES]))


def _standing(name: str) -> dict[str, Any]:
    if name in ARCHIVES:
        from ssrl_core.datasets import store

        return {"name": name, "here": store.is_ready(name), "file": None}
    from ssrl_core.learning.backbones.weights import imagenet_file

    file = imagenet_file(name)
    return {"name": name, "here": file is not None, "file": None if file is None else str(file)}


def _show(data: dict[str, Any]) -> str:
    rows = data["files"]
    return "\n".join(f"{row['name']:12} {'here' if row['here'] else 'not here'}  {row['file'] or ''}" for row in rows)
