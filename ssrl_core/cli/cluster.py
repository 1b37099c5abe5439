"""`cluster R -k K`: k-means in the embedding of a run, its scores, and the images nearest to each centroid."""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ssrl_core.cli.output import leaf, say_torn, table

if TYPE_CHECKING:
    import numpy as np

    from ssrl_core.analysis.clusters import Clustering
    from ssrl_core.analysis.effects import Effect
    from ssrl_core.datasets.imageset import ImageSet
    from ssrl_core.runs.folder.run_folder import RunFolder


_MOST = 12


def register(commands: Any) -> None:
    """Add the command."""
    cluster = leaf(
        commands,
        "cluster",
        run=_cluster,
        show=_show,
        help="k-means in a run's embedding, with scores",
        description="k-means on the evaluated images, in the embedding; above 100,000 images mini-batch k-means. Found "
        "once for each K and seed, then kept.",
    )
    cluster.add_argument("run_id", metavar="RUN", help="id of a run, or the beginning of one that fits no other")
    asked = cluster.add_mutually_exclusive_group(required=True)
    asked.add_argument("-k", type=int, metavar="K", help="number of clusters; with hdbscan, the fewest images of one")
    cluster.add_argument(
        "--method", choices=("kmeans", "hdbscan"), default="kmeans", help="kmeans (default) or hdbscan"
    )
    asked.add_argument("--over", metavar="A:B", help="instead: score every k from A to B, and keep the scores")
    cluster.add_argument(
        "--name", action="append", default=[], metavar="C=NAME", help="name a cluster; kept with the run (repeatable)"
    )
    cluster.add_argument(
        "--apart",
        action="store_true",
        help="tell what sets each cluster apart: descriptors, columns, compounds and doses",
    )
    cluster.add_argument("--seed", type=int, default=0, help="of the starts (0)")
    cluster.add_argument("--nearest", type=int, default=10, metavar="N", help="images told of each cluster (10)")


def _cluster(args: argparse.Namespace) -> dict[str, Any]:
    import numpy as np

    from ssrl_core import stores
    from ssrl_core.analysis.clusters import nearest
    from ssrl_core.analysis.scores import cluster_scores
    from ssrl_core.errors import SpecError
    from ssrl_core.runs.evaluation.clustering import clusters_of_rows, file_of, way_of
    from ssrl_core.runs.folder.run_folder import RunFolder, imageset_of
    from ssrl_core.runs.queue.run_names import find

    if args.over is not None:
        return _over(args)
    if args.nearest < 0:
        raise SpecError.at("cluster", "--nearest", "at least 0", args.nearest)
    run = RunFolder(find(args.run_id))
    if not run.is_demo and not (run.path / file_of(args.method, args.k, args.seed)).is_file():
        stores.require_writable(run.path)
    whole, images = run.embedding()
    rows = np.flatnonzero(run.evaluated())
    x, ids = whole[rows], images[rows]
    own = clusters_of_rows(run, x, rows, len(whole), args.k, args.seed, required=True, method=args.method)
    imageset = imageset_of(run.spec())
    labels = imageset.label_ids[ids] if imageset.label is not None else None
    scores = cluster_scores(x, own, labels, seed=args.seed)
    say_torn([imageset.name])
    near, away = nearest(x, own, args.nearest)
    file = file_of(args.method, args.k, args.seed)
    names = _named(run, file.removesuffix(".npy"), ids, own.ids, own.k, args.name)
    apart = _apart(imageset, ids, own) if args.apart else {}
    return {
        "run": run.id,
        "k": own.k,
        "file": file if (run.path / file).is_file() else None,
        "method": args.method,
        "way": way_of(args.method, args.k, len(ids)),
        "names": names,
        "in_none": int((own.ids < 0).sum()),
        "sizes": list(own.sizes),
        "silhouette": scores["silhouette"],
        "ami": scores["ami"],
        "ami_shuffled": scores["ami_shuffled"],
        "missing": scores["missing"],
        "nearest": [
            [{"image_id": int(ids[row]), "distance": float(d)} for row, d in zip(*pair, strict=True) if row >= 0]
            for pair in zip(near, away, strict=True)
        ],
        **apart,
    }


def _named(
    run: RunFolder, stem: str, image_ids: np.ndarray, ids: np.ndarray, k: int, said: list[str]
) -> dict[str, str]:
    """{cluster: name} after naming what was asked for; names given under another k or in another run are carried over.

    Raises:
        SpecError: not C=NAME, or no such cluster.
    """
    from ssrl_core.errors import SpecError
    from ssrl_core.runs.folder import annotations as marks
    from ssrl_core.runs.folder.annotations import Clusters, marks_of

    for text in said:
        number, _, name = text.partition("=")
        if not (number.isdigit() and int(number) < k and "=" in text):
            raise SpecError.at("cluster", "--name", f"C=NAME with C in 0..{k - 1}", text)
        marks.mark(run, marks.read(run)["revision"], stem, int(number), name=name)
    found = marks_of(Clusters(run, stem, image_ids, ids), [])
    return {str(c): mark.name for c, mark in sorted(found.items()) if mark.name}


def _apart(imageset: ImageSet, image_ids: np.ndarray, clustering: Clustering) -> dict[str, Any]:
    """`apart`: of each cluster `words` and its largest `effects`; `apart_rests_on`: what their intervals rest on."""
    from ssrl_core.analysis.effect_table import cluster_effects, sentence
    from ssrl_core.datasets.columns import informative_columns
    from ssrl_core.runs.evaluation.descriptors import known

    table = known(imageset, image_ids)
    found = cluster_effects(table, informative_columns(table, imageset.label), clustering.ids, clustering.k)
    told = [
        {
            "words": sentence(effects, units=found.units.name),
            "effects": [_plain(e) for e in sorted(effects, key=lambda e: -abs(e.effect))[:_MOST]],
        }
        for effects in found.effects
    ]
    return {"apart": told, "apart_rests_on": found.rests_on}


def _plain(effect: Effect) -> dict[str, Any]:
    """An effect as JSON: what is not known is null."""
    row = {**asdict(effect), "clear": effect.clear}
    return {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()}


def _over(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.errors import SpecError
    from ssrl_core.runs.evaluation.clustering import make_over_k
    from ssrl_core.runs.folder.run_folder import RunFolder
    from ssrl_core.runs.jobs import Reporter
    from ssrl_core.runs.queue.run_names import find

    first, _, last = str(args.over).partition(":")
    if not (first.isdigit() and last.isdigit()):
        raise SpecError.at("cluster", "--over", "A:B, two whole numbers", args.over)
    with Reporter() as report:
        run = RunFolder(find(args.run_id))
        found = make_over_k(run, int(first), int(last), seed=args.seed, report=report)
    return {"run": run.id, "over": [{"k": k, **scores} for k, scores in found.items()]}


def _show(data: dict[str, Any]) -> str:
    if "over" in data:
        return table(data["over"], ["k", "silhouette", "ami"])
    floor = data["ami_shuffled"]
    beside = f" (shuffled labels {floor['mean']:.3f} ± {floor['sd']:.3f})" if floor else ""
    told = [
        f"{name.upper() if name == 'ami' else name} {data[name]:.3f}"
        if data[name] is not None
        else f"no {name}: {data['missing'][name]}"
        for name in ("ami", "silhouette")
    ]
    head = f"{data['run']}: {data['k']} clusters by {data['way']}, {told[0]}{beside}, {told[1]}"
    lines = [
        f"{cluster:>4}  {size:>7} images  nearest {', '.join(str(entry['image_id']) for entry in near)}"
        f"{'  ' + data['names'][str(cluster)] if str(cluster) in data['names'] else ''}"
        for cluster, (size, near) in enumerate(zip(data["sizes"], data["nearest"], strict=True))
    ]
    if "apart" in data:
        lines += ["", *(f"{c:>4}  {told['words'] or 'nothing clear'}" for c, told in enumerate(data["apart"]))]
        lines.append(data["apart_rests_on"])
    return "\n".join([head, *lines])
