"""Questions to embeddings: `cluster R -k K`, `layout R`, `compare R1 R2`.

k-means of a run with its scores and the images nearest to each centroid, and its two-dimensional picture, both made
once and kept with the run; and how far two runs put the same images together.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssrl_core.cli.output import Tenths, add_run, leaf, say_torn, table
from ssrl_core.figures.style import mean_sd
from ssrl_core.specs.parts import LAYOUTS

if TYPE_CHECKING:
    import numpy as np

    from ssrl_core.analysis.clusters import Clustering
    from ssrl_core.analysis.effects import Effect
    from ssrl_core.datasets.imageset import ImageSet
    from ssrl_core.runs.folder.run_folder import RunFolder
    from ssrl_core.runs.jobs import Reporter


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
    add_run(cluster)
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


def register_layout(commands: Any) -> None:
    """Add the command."""
    layout = leaf(
        commands,
        "layout",
        run=_layout,
        show=_show_layout,
        help="t-SNE, UMAP or PCA of a run's embedding",
        description="Lay the evaluated images out in the plane. What is there already is not made again.",
    )
    add_run(layout)
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


def _show_layout(data: dict[str, Any]) -> str:
    quality = [
        f"{word} {data[key]:.3f}"
        for key, word in (("trustworthiness", "trustworthiness"), ("neighbour_hit", "neighbour hit"))
        if data[key] is not None
    ]
    beside = f", begun from {data['like']['file']} of {data['like']['run']}" if data["like"] else ""
    return f"{data['run']}: {data['file']}{beside} ({', '.join(quality) or 'too few images to judge it'})"


def register_compare(commands: Any) -> None:
    """Add the command."""
    compare = leaf(
        commands,
        "compare",
        run=_compare,
        show=_show_compared,
        help="two runs beside each other: clusters, geometry, neighbours",
        description="AMI and contingency of their clusters, CKA, and the share of neighbours they have in common, on "
        "the images that both evaluated.",
    )
    add_run(compare, "first", "R1")
    compare.add_argument("second", metavar="R2", help="another run, or pixels, imagenet-vgg16, imagenet-resnet18")
    compare.add_argument("-k", type=int, default=10, metavar="K", help="number of clusters (10)")
    compare.add_argument("--k2", type=int, metavar="K", help="number of clusters of the second (as -k)")
    compare.add_argument("--seed", type=int, default=0, help="of k-means (0)")
    compare.add_argument(
        "--over-seeds",
        action="store_true",
        help="also mean and sd over the runs that differ from these by their seed alone; kept, pair by pair",
    )


def _compare(args: argparse.Namespace) -> dict[str, Any]:
    import numpy as np

    from ssrl_core.analysis.comparison import compare
    from ssrl_core.runs.folder.run_folder import RunFolder
    from ssrl_core.runs.jobs import Reporter
    from ssrl_core.runs.queue.over_seeds import common
    from ssrl_core.runs.queue.run_names import find

    with Reporter() as report:
        first = RunFolder(find(args.first))
        ids, x, clusters = _first(first, args.k, args.seed)
        name, other_ids, y, others = _second(first, args.second, args.k2 or args.k, args.seed, report)
        rows, other_rows = common(ids, other_ids, first.id, name)
        found = compare(x[rows], y[other_rows], clusters[rows], others[other_rows], seed=args.seed)
        seeds = _over_seeds(first, name, args, report) if args.over_seeds else {}
    say_torn([first.spec().dataset.name])
    separated = _separated(np.asarray(found["contingency"], np.int64).reshape(len(found["contingency"]), -1))
    told = {"first": first.id, "second": name, "k": args.k, "k2": args.k2 or args.k, **found, "separated": separated}
    return told | seeds


def _over_seeds(first: RunFolder, second: str, args: argparse.Namespace, report: Any) -> dict[str, Any]:
    """{seeds_a, seeds_b, over_seeds: [{what, pairs, of, ami, cka, neighbour_overlap: {mean, sd, n}}]}.

    Raises:
        SpecError: the seed of k-means is another, which the pairs are not kept for.
    """
    from ssrl_core.errors import SpecError
    from ssrl_core.runs.evaluation import baseline
    from ssrl_core.runs.folder.run_folder import RunFolder
    from ssrl_core.runs.queue import over_seeds

    if args.seed:
        remedy = "Leave --seed out, or --over-seeds."
        raise SpecError.at("compare", "--seed", "0 with --over-seeds", args.seed, remedy)
    other = None if second in baseline.BASELINES else RunFolder(second)
    asked = over_seeds.ask(first, other, args.k, args.k2 or args.k)
    rows = over_seeds.make(asked, report)
    return {"seeds_a": asked.seeds_a, "seeds_b": asked.seeds_b, "over_seeds": rows}


def _separated(table: np.ndarray) -> dict[str, list[dict[str, Any]]]:
    """What each of the two separates and the other does not."""
    from ssrl_core.analysis.comparison import splits

    return {
        side: [
            {"cluster": split.whole, "n": split.n, "parts": [{"cluster": c, "n": n} for c, n in split.parts]}
            for split in splits(counts)
        ]
        for side, counts in (("first", table), ("second", table.T))
    }


def _first(run: RunFolder, k: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, embedding and clusters of the evaluated rows of a run."""
    import numpy as np

    from ssrl_core.runs.evaluation.clustering import clusters_of_rows

    x, ids = run.embedding()
    rows = np.flatnonzero(run.evaluated())
    found = clusters_of_rows(run, x[rows], rows, len(x), k, seed)
    return ids[rows], x[rows], found.ids


def _second(
    first: RunFolder, text: str, k: int, seed: int, report: Any
) -> tuple[str, np.ndarray, np.ndarray, np.ndarray]:
    from ssrl_core.analysis.clusters import kmeans
    from ssrl_core.runs.evaluation import baseline
    from ssrl_core.runs.folder.run_folder import RunFolder
    from ssrl_core.runs.queue.run_names import find

    if text in baseline.BASELINES:
        y = baseline.read(first, text)
        y = baseline.make(first, text, report) if y is None else y
        return text, first.embedding_ids()[first.evaluated()], y, kmeans(y, k, seed=seed).ids
    run = RunFolder(find(text))
    return run.id, *_first(run, k, seed)


def _show_compared(data: dict[str, Any]) -> str:
    def told(value: float | None) -> str:
        return "–" if value is None else f"{value:.3f}"

    head = [
        f"{data['first']} beside {data['second']}, {data['n']} images",
        f"AMI of their clusters {told(data['ami'])}, CKA {told(data['cka'])}, {data['neighbours']} nearest in common "
        f"{told(data['neighbour_overlap'])} (chance {told(data['neighbour_chance'])})",
        "rows: clusters of the first; columns: of the second",
    ]
    columns = [str(c) for c in range(len(data["contingency"][0]) if data["contingency"] else 0)]
    rows = [{"": str(i), **dict(zip(columns, row, strict=True))} for i, row in enumerate(data["contingency"])]
    return "\n".join([*head, table(rows, ["", *columns]), *_said(data), *_said_of_seeds(data)])


def _said_of_seeds(data: dict[str, Any]) -> list[str]:
    """Mean ± sd over the pairs of each group, or that there are no seeds."""
    if "over_seeds" not in data:
        return []
    if not data["over_seeds"]:
        return ["There are no runs that differ from these by their seed alone."]
    columns = {"ami": "AMI", "cka": "CKA", "neighbour_overlap": "neighbours in common"}
    rows = [
        {"": row["what"], "pairs": row["pairs"], **{said: mean_sd(row[key]) for key, said in columns.items()}}
        for row in data["over_seeds"]
    ]
    return [f"over {data['seeds_a']} seeds of A (the first) and {data['seeds_b']} of B", table(rows, list(rows[0]))]


def _said(data: dict[str, Any]) -> list[str]:
    lines = []
    for side, other in (("first", "second"), ("second", "first")):
        for split in data["separated"][side]:
            parts = " + ".join(f"{part['cluster']} ({part['n']})" for part in split["parts"])
            lines.append(f"the {side} separates cluster {split['cluster']} of the {other} into its {parts}")
    return lines
