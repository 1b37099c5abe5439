"""`compare R1 R2`: how far two runs put the same images together."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ssrl_core.cli.output import leaf, say_torn, table
from ssrl_core.figures.style import mean_sd

if TYPE_CHECKING:
    import numpy as np

    from ssrl_core.runs.folder.run_folder import RunFolder


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
