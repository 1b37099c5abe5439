"""`compose export` and `compose import`: compositions to and from other people's formats."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ssrl_core import stores
from ssrl_core.cli.output import leaf
from ssrl_core.errors import SpecError


def register(actions: Any) -> None:
    """Add the two actions."""
    out = leaf(actions, "export", run=_export, show=_show_export, help="write a composition in another format")
    out.add_argument("composition", metavar="C", help="a preset, a saved name or a file")
    out.add_argument("--to", required=True, metavar="F", help="torchvision, solo-learn, viewloom or json")
    out.add_argument("--out", metavar="FILE", help="where to (default: printed)")
    out.add_argument("--size", type=int, metavar="PX", help="side of views that have no size of their own")
    read = leaf(actions, "import", run=_import, show=_show_import, help="keep a composition from a file")
    read.add_argument("file", metavar="FILE", help="a file of Viewloom or solo-learn's augmentations")
    read.add_argument("--name", help="its name in the store (default: its own, or the file's)")


def _export(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.specs.composition import load
    from ssrl_core.specs.exchange import export

    if args.size is not None and not 1 <= args.size <= 4096:
        raise SpecError(where="compose export", field="--size", rule="in 1..4096", value=args.size, remedy="Change it.")
    text = export(load(args.composition), args.to, side=args.size)
    if args.out:
        stores.replace(Path(args.out), text)
    return {"format": args.to, "out": args.out, "text": text}


def _show_export(data: dict[str, Any]) -> str:
    return f"written to {data['out']}" if data["out"] else data["text"].rstrip("\n")


def _import(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.specs.composition import save
    from ssrl_core.specs.exchange import read

    path = Path(args.file)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SpecError(
            where="compose import", field="file", rule="a file that can be read", value=args.file, remedy="Correct it."
        ) from error
    found = read(content, path.name, stores.as_slug(path.stem))
    composition = found.composition.renamed(args.name) if args.name else found.composition
    return {
        "name": composition.name,
        "path": str(save(composition)),
        "format": found.format,
        "sentence": composition.sentence(),
        "composition": composition.to_mapping(),
        "notes": found.notes,
    }


def _show_import(data: dict[str, Any]) -> str:
    return "\n".join([f"{data['name']}: {data['sentence']}", *data["notes"], data["path"]])
