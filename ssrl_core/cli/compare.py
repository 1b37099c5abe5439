"""`compare R1 R2`: how far two runs put the same images together."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ssrl_core.cli.output import leaf, table

if TYPE_CHECKING:
    import numpy as np

    from ssrl_core.runs.folder import RunFolder


def register(commands: Any) -> None:
    """Add the command."""
    compare = leaf(
        commands,
        "compare",
        run=_compare,
        show=_show,
        help="two runs beside each other: clusters, geometry, neighbours",
        description="AMI and contingency of their clusters, CKA, and the share of neighbours they have in common, on "
        "the images that both evaluated.",
    )
    compare.add_argument("first", metavar="R1", help="id of a run, or the beginning of one that fits no other")
    compare.add_argument("second", metavar="R2", help="another run, or pixels, imagenet-vgg16, imagenet-resnet18")
    compare.add_argument("-k", type=int, default=10, metavar="K", help="number of clusters (10)")
    compare.add_argument("--k2", type=int, metavar="K", help="number of clusters of the second (as -k)")
    compare.add_argument("--seed", type=int, default=0, help="of k-means (0)")


def _compare(args: argparse.Namespace) -> dict[str, Any]:
    import numpy as np

    from ssrl_core.analysis.comparison import compare
    from ssrl_core.cli.runs import find
    from ssrl_core.runs.beside import common
    from ssrl_core.runs.folder import RunFolder
    from ssrl_core.runs.jobs import Reporter

    with Reporter() as report:
        first = RunFolder(find(args.first))
        ids, x, clusters = _first(first, args.k, args.seed)
        name, other_ids, y, others = _second(first, args.second, args.k2 or args.k, args.seed, report)
        rows, other_rows = common(ids, other_ids, first.id, name)
        found = compare(x[rows], y[other_rows], clusters[rows], others[other_rows], seed=args.seed)
    separated = _separated(np.asarray(found["contingency"], np.int64).reshape(len(found["contingency"]), -1))
    return {"first": first.id, "second": name, "k": args.k, "k2": args.k2 or args.k, **found, "separated": separated}


def _separated(table: np.ndarray) -> dict[str, list[dict[str, Any]]]:
    """What each of the two separates and the other does not."""
    from ssrl_core.analysis.splits import splits

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

    from ssrl_core.runs.clustering import own_clusters

    x, ids = run.embedding()
    rows = np.flatnonzero(run.evaluated())
    found = own_clusters(run, x[rows], rows, len(x), k, seed, inside=True)
    return ids[rows], x[rows], found.ids


def _second(
    first: RunFolder, text: str, k: int, seed: int, report: Any
) -> tuple[str, np.ndarray, np.ndarray, np.ndarray]:
    from ssrl_core.analysis.clusters import kmeans
    from ssrl_core.cli.runs import find
    from ssrl_core.runs import baseline
    from ssrl_core.runs.folder import RunFolder

    if text in baseline.BASELINES:
        y = baseline.read(first, text)
        y = baseline.make(first, text, report) if y is None else y
        return text, first.embedding_ids()[first.evaluated()], y, kmeans(y, k, seed=seed).ids
    run = RunFolder(find(text))
    return run.id, *_first(run, k, seed)


def _show(data: dict[str, Any]) -> str:
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
    return "\n".join([*head, table(rows, ["", *columns]), *_said(data)])


def _said(data: dict[str, Any]) -> list[str]:
    lines = []
    for side, other in (("first", "second"), ("second", "first")):
        for split in data["separated"][side]:
            parts = " + ".join(f"{part['cluster']} ({part['n']})" for part in split["parts"])
            lines.append(f"the {side} separates cluster {split['cluster']} of the {other} into its {parts}")
    return lines
