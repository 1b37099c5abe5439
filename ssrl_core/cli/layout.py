"""`layout R --method M`: the two-dimensional picture of a run's embedding, made once and kept with the run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssrl_core.cli.output import Tenths, leaf
from ssrl_core.specs.parts import LAYOUTS

if TYPE_CHECKING:
    from ssrl_core.runs.folder.run_folder import RunFolder
    from ssrl_core.runs.jobs import Reporter


def register(commands: Any) -> None:
    """Add the command."""
    layout = leaf(
        commands,
        "layout",
        run=_layout,
        show=_show,
        help="t-SNE, UMAP or PCA of a run's embedding",
        description="Lay the evaluated images out in the plane. What is there already is not made again.",
    )
    layout.add_argument("run_id", metavar="RUN", help="id of a run, or the beginning of one that fits no other")
    layout.add_argument("--method", choices=sorted(LAYOUTS), default="tsne", help="tsne (default), umap or pca")
    layout.add_argument(
        "--like", metavar="RUN", help="begin from that run's map of the same images, so that both lie alike"
    )
    layout.add_argument("--again", action="store_true", help="make it again, with --seed, even if there is one")
    layout.add_argument("--out", metavar="FILE", help="also draw it, coloured by the label: .svg, .pdf or .png")
    layout.add_argument("--seed", type=int, default=0, help="of what is drawn by chance (0)")


def _layout(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.runs.folder.run_folder import RunFolder
    from ssrl_core.runs.jobs import Reporter
    from ssrl_core.runs.queue.run_names import find

    with Reporter() as report:
        run = RunFolder(find(args.run_id))
        like = None if args.like is None else RunFolder(find(args.like))
        stored = None if args.again or args.seed else _stored(run, args.method, like)
        file, info = stored or _make(run, args.method, args.seed, like, report)
    if args.out is not None:
        _draw(run, args.method, file, info, Path(args.out))
    return {
        "run": run.id,
        "method": args.method,
        "file": file,
        "like": info.get("like"),
        "trustworthiness": info.get("trustworthiness"),
        "neighbour_hit": info.get("neighbour_hit"),
        "seconds": info.get("seconds"),
    }


def _stored(run: RunFolder, method: str, like: RunFolder | None) -> tuple[str, dict[str, Any]] | None:
    """File and information of the newest layout of this method; of one like another run's, while that has the same."""
    other = None if like is None else like.id
    found, file = run.layout(method, other), run.layout_files(other).get(method)
    if found is None or file is None:
        return None
    info = found[1]
    began = None if like is None else like.layout_files().get(method)
    return None if began and began.name != info.get("like", {}).get("file") else (file.name, info)


def _make(
    run: RunFolder, method: str, seed: int, like: RunFolder | None, report: Reporter
) -> tuple[str, dict[str, Any]]:
    """Compute a layout of the evaluated images and write it into the run folder.

    Raises:
        SpecError: a demo run, which is not written into.
    """
    import numpy as np

    from ssrl_core import stores
    from ssrl_core.errors import SpecError
    from ssrl_core.runs.evaluation.parts.layouts import lay_out
    from ssrl_core.runs.folder.run_folder import imageset_of

    if run.is_demo:
        has = ", ".join(run.layout_files()) or "no layouts"
        raise SpecError(f"Run {run.id} is a demo run and is not written into. It has: {has}.")
    stores.require_writable(run.path)
    x, ids = run.embedding()
    rows = np.flatnonzero(run.evaluated())
    imageset = imageset_of(run.spec())
    labels = imageset.label_ids[ids[rows]] if imageset.label is not None else None
    told = Tenths(LAYOUTS[method].title, report)
    return lay_out(run, x[rows], rows, len(ids), method, labels=labels, report=told, seed=seed, like=like)


def _draw(run: RunFolder, method: str, file: str, info: dict[str, Any], out: Path) -> None:
    """Draw a layout into a file, coloured by the label.

    Raises:
        SpecError: another kind of file, or a folder that is not there.
    """
    import numpy as np

    from ssrl_core import stores
    from ssrl_core.errors import SpecError
    from ssrl_core.figures.sheets import map_file
    from ssrl_core.figures.style import palette
    from ssrl_core.runs.folder.run_folder import imageset_of

    if not out.parent.is_dir():
        raise SpecError.at("layout", "--out", "in a folder that exists", str(out))
    rows = np.flatnonzero(run.evaluated())
    imageset = imageset_of(run.spec())
    labelled = imageset.label is not None
    codes = imageset.label_ids[run.embedding_ids()[rows]] if labelled else np.zeros(len(rows), int)
    names = list(imageset.classes) if labelled else ["images"]
    trust = info.get("trustworthiness")
    judged = "" if trust is None else f" Trustworthiness {trust:.3f} (10 neighbours)."
    found = map_file(
        stores.read_array(run.path / file)[rows].astype(float),
        out.suffix.removeprefix("."),
        codes=codes,
        names=names,
        colours=palette(len(names)),
        what=str(imageset.label or ""),
        title=f"{LAYOUTS[method].title} of the embedding",
        caption=f"{LAYOUTS[method].title} of the embeddings of {len(rows)} images.{judged} Image set {imageset.title}, "
        f"run {run.id}.",
    )
    stores.replace(out, found)


def _show(data: dict[str, Any]) -> str:
    quality = [
        f"{word} {data[key]:.3f}"
        for key, word in (("trustworthiness", "trustworthiness"), ("neighbour_hit", "neighbour hit"))
        if data[key] is not None
    ]
    beside = f", begun from {data['like']['file']} of {data['like']['run']}" if data["like"] else ""
    return f"{data['run']}: {data['file']}{beside} ({', '.join(quality) or 'too few images to judge it'})"
