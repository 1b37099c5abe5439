"""`compose`: the compositions that there are, one of them in words, a look at its views; `lpips`: how images differ."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core import stores
from ssrl_core.cli.output import leaf, table, to_stderr
from ssrl_core.compositions.lpips import NETWORKS
from ssrl_core.errors import DataError, SpecError, shortened

if TYPE_CHECKING:
    from torch import Tensor

    from ssrl_core.compositions.draws import Draws
    from ssrl_core.compositions.perceptual import Lpips
    from ssrl_core.datasets.imageset import ImageSet
    from ssrl_core.specs.composition import Composition


NET_HELP = f"the network behind it: {' or '.join(NETWORKS)} (default: alex)"


def register_lpips(commands: Any) -> None:
    """Add `lpips REF IMG...`."""
    lpips = leaf(commands, "lpips", run=_lpips, show=_show_lpips, help="LPIPS distance of images to a reference image")
    lpips.add_argument("reference", metavar="REF", help="an image file")
    lpips.add_argument("images", metavar="IMG", nargs="+", help="image files of the same size")
    lpips.add_argument("--net", default="alex", help=NET_HELP)


def _lpips(args: argparse.Namespace) -> dict[str, Any]:
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


def _show_lpips(data: dict[str, Any]) -> str:
    lines = [f"{distance:.4f}" for distance in data["distances"]]
    return "\n".join([*lines, f"({data['backbone']}, compared at {data['size_px']} px)"])


def _image(name: str) -> Tensor:
    """(1, 3, H, W) in 0..1 of a file."""
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


def _register_views_lpips(actions: Any) -> None:
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


_VIEWS = 8


def register(commands: Any) -> None:
    """Add `compose list | show | preview | save | export | import | lpips`."""
    compose = commands.add_parser("compose", help="compositions and their views")
    compose = compose.add_subparsers(required=True, metavar="ACTION")
    leaf(compose, "list", run=_list, show=_show_list, help="the compositions that ship and the saved ones")
    show = leaf(compose, "show", run=_show, show=_show_one, help="one composition, as a file and in words")
    show.add_argument("composition", metavar="C", help="a preset, a saved name or a file")
    _register_preview(compose)
    keep = leaf(compose, "save", run=_save, show=lambda data: data["path"], help="keep a composition under a name")
    keep.add_argument("composition", metavar="C", help="a file, a preset or a saved name")
    keep.add_argument("--name", help="its name in the store (default: the name it has)")
    _register_files(compose)
    _register_views_lpips(compose)


def _register_preview(compose: Any) -> None:
    preview = leaf(compose, "preview", run=_preview, show=_show_preview, help="a picture of images and their views")
    preview.add_argument("composition", metavar="C", help="a preset, a saved name or a file")
    preview.add_argument("--dataset", required=True, metavar="D", help="the image set")
    preview.add_argument(
        "--out", required=True, metavar="GRID.png", help="the picture: one row an image, it comes first"
    )
    preview.add_argument("--images", type=int, default=8, metavar="N", help="how many images (default: 8)")
    preview.add_argument("--views", type=int, metavar="V", help=f"views of each image (default: {_VIEWS})")
    preview.add_argument("--seed", type=int, default=5, help="decides the images and the draws (default: 5)")
    preview.add_argument("--lpips", action="store_true", help="measure LPIPS between the views that are shown")
    preview.add_argument(
        "--net", default="alex", help=f"the network behind LPIPS: {' or '.join(NETWORKS)} (default: alex)"
    )


def _list(args: argparse.Namespace) -> list[dict[str, Any]]:
    from ssrl_core.specs.composition import load, preset_names, saved_names
    from ssrl_core.specs.presets_table import PRESETS_TABLE

    presets = {name: PRESETS_TABLE[name].source for name in preset_names()}
    sources = presets | {name: "saved" for name in saved_names() if name not in presets}
    return [{"name": name, "steps": _sentences(load(name)), "source": source} for name, source in sources.items()]


def _sentences(composition: Composition) -> list[str]:
    """A sentence for each step; with several groups of views the group's name comes first."""
    several = len(composition.views) > 1
    return [
        f"{group.name}: {step.sentence()}" if several else step.sentence()
        for group in composition.views
        for step in group.steps
        if step.enabled
    ]


def _show_list(data: list[dict[str, Any]]) -> str:
    return table([{**item, "steps": shortened("; ".join(item["steps"]) or "none")} for item in data], ["name", "steps"])


def _show(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.specs.composition import load
    from ssrl_core.specs.presets_table import PRESETS_TABLE

    composition = load(args.composition)
    preset = PRESETS_TABLE.get(args.composition)
    return {
        "composition": composition.to_mapping(),
        "sentence": composition.sentence(),
        "source": preset.source if preset else None,
        "silent": preset.silent if preset else None,
    }


def _show_one(data: dict[str, Any]) -> str:
    from ssrl_core.specs.composition import Composition, dump

    text = dump(Composition.from_mapping(data["composition"]))
    notes = [data["sentence"], data["source"] and f"Source: {data['source']}", data["silent"]]
    return text + "\n" + "\n".join(f"# {note}" for note in notes if note)


def _save(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.specs.composition import load, save

    composition = load(args.composition)
    composition = composition.renamed(args.name) if args.name else composition
    return {"name": composition.name, "path": str(save(composition))}


def _preview(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core import stores
    from ssrl_core.compositions.pairs import draw_shown
    from ssrl_core.datasets import store
    from ssrl_core.datasets.pictures import png
    from ssrl_core.specs.composition import load

    out = _png_path(args.out)
    composition = _with_views(load(args.composition), args.views)
    imageset = store.load(args.dataset, report=lambda done, total, what: None)
    ids = _some_images(imageset, args.images, args.seed)
    drawn = draw_shown(imageset, composition, ids, seed=args.seed)
    stores.replace(out, png(_grid(imageset, composition, drawn)))
    lpips, why = _measure(args, imageset, composition, ids)
    return {
        "out": str(out),
        "draws": [
            {
                "image_id": int(image),
                "views": [drawn.describe(view, row) for view in range(composition.view_count)],
            }
            for row, image in enumerate(ids)
        ],
        "lpips": lpips,
        "missing": {} if why is None else {"lpips": why},
    }


def _show_preview(data: dict[str, Any]) -> str:
    lines = [f"{data['out']}: {len(data['draws'])} images, {len(data['draws'][0]['views'])} views each"]
    if lpips := data["lpips"]:
        lines.append(
            f"LPIPS {lpips['mean']:.3f} ± {lpips['sd']:.3f} over {lpips['n']} images "
            f"({lpips['backbone']}, compared at {lpips['size_px']} px)"
        )
    return "\n".join([*lines, *data["missing"].values()])


def _png_path(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() != ".png" or path.is_dir():
        raise SpecError.at("preview", "--out", "the name of a .png file", text, "Add .png.")
    return path


def _with_views(composition: Composition, views: int | None) -> Composition:
    """The composition with as many views as the picture is to show."""
    if len(composition.views) == 1:
        count = _VIEWS if views is None else views
        return replace(composition, views=(replace(composition.views[0], count=count),))
    if views is not None:
        raise SpecError.at(
            f'Composition "{composition.name}"',
            "--views",
            "left out for a composition of several groups of views",
            views,
            "Its groups have their own counts.",
        )
    return composition


def _some_images(imageset: ImageSet, count: int, seed: int) -> np.ndarray[Any, Any]:
    if count < 1 or seed < 0:
        field, value = ("--images", count) if count < 1 else ("--seed", seed)
        raise SpecError.at("preview", field, f"at least {int(count < 1)}", value, "Raise it.")
    ids = imageset.split_ids("all")
    return np.sort(np.random.default_rng(seed).permutation(ids)[:count])


def _grid(imageset: ImageSet, composition: Composition, drawn: Draws) -> np.ndarray[Any, Any]:
    """(H, W, 3) uint8: a row for each image, the image first, then its views."""
    from ssrl_core.compositions.views import make_views
    from ssrl_core.datasets.pictures import display_limits, montage, to_rgb

    pixels = np.array(imageset.pixels[drawn.image_ids])
    limits = display_limits(imageset)
    shares = limits / imageset.max_value
    columns = [to_rgb(pixels, imageset.channels, max_value=imageset.max_value, limits=limits)]
    seen = np.array(imageset.pixels[drawn.needed])
    for views in make_views(seen, drawn, composition, max_value=imageset.max_value):
        columns += [to_rgb(view.numpy(), imageset.channels, max_value=1, limits=shares) for view in views]
    side = max(column.shape[1] for column in columns[1:])
    columns = [_framed(column, side) for column in columns]
    rows = np.stack(columns, axis=1)
    return montage(rows.reshape(-1, *rows.shape[2:]), columns=len(columns), scale=None)


def _framed(pictures: np.ndarray[Any, Any], side: int) -> np.ndarray[Any, Any]:
    """(B, side, side, 3): smaller pictures in the middle of black, larger ones shrunk."""
    from ssrl_core.datasets.pictures import shrunk

    height, width = pictures.shape[1:3]
    if max(height, width) > side:
        scale = side / max(height, width)
        pictures = shrunk(pictures, max(1, round(height * scale)), max(1, round(width * scale)))
        height, width = pictures.shape[1:3]
    top, left = (side - height) // 2, (side - width) // 2
    return np.pad(pictures, ((0, 0), (top, side - height - top), (left, side - width - left), (0, 0)))


def _measure(
    args: argparse.Namespace, imageset: ImageSet, composition: Composition, ids: Any
) -> tuple[dict[str, Any] | None, str | None]:
    """What was measured, or why nothing was."""
    if not args.lpips:
        return None, "LPIPS was not asked for: add --lpips."
    from ssrl_core.compositions import perceptual

    why = perceptual.missing(args.net)
    if why is not None:
        to_stderr(why)
        return None, why
    return perceptual.measure(imageset, composition, ids, seed=args.seed, net=args.net).as_dict(), None


def _register_files(actions: Any) -> None:
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
        raise SpecError.at("compose export", "--size", "in 1..4096", args.size, "Change it.")
    text = export(load(args.composition), args.to, side=args.size)
    if args.out:
        stores.replace(Path(args.out), text)
    return {"format": args.to, "out": args.out, "text": text}


def _show_export(data: dict[str, Any]) -> str:
    return f"written to {data['out']}" if data["out"] else data["text"].rstrip("\n")


def _import(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.specs.composition import save
    from ssrl_core.specs.exchange import read
    from ssrl_core.specs.yaml_files import read_at_most

    path = Path(args.file)
    found = read(read_at_most(path, "file"), path.name, stores.as_slug(path.stem))
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
