"""Learning curves of the methods: a small network on real images, minutes each, beside what nothing learnt.

    python -m bench.learning --composition mnist-rotation-crop-padding --epochs 30 --limit-train 6000
    python -m bench.learning --table docs/results/learning.md

The first trains every method with `recipe: small` (one that is there already is not trained again) and prints its
numbers; the second writes the table of all that were trained. "View" means: test images passed once, with fixed draws,
through the composition; kNN of these views, and AMI of k-means with the labels (raw MNIST pixels look good without any
learning, views of them do not).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ssrl_core import stores
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue.identity import identify
from ssrl_core.specs.methods import METHODS
from ssrl_core.specs.run import RunSpec, dump_run

ROOT = Path(__file__).resolve().parent.parent
TAG = "learning-curves"
Row = dict[str, Any]


def spec_of(method: str, args: argparse.Namespace) -> RunSpec:
    """The run of one method."""
    return RunSpec.from_mapping(
        {
            "dataset": args.dataset,
            "backbone": args.backbone,
            "method": method,
            "recipe": args.recipe,
            "terms": args.composition,
            "epochs": args.epochs,
            "seed": args.seed,
            "limit_train": args.limit_train,
            "device": args.device,
            "precision": args.precision,
            "evaluate": {"clusters": [10], "linear": None, "layouts": [], "online_every_epochs": args.online_every},
            "keep": {"embedding": "test"},
            "tags": {TAG: True},
        }
    )


def train(spec: RunSpec) -> str:
    """Train in a child (as any engine does), unless it was done before; the run's id."""
    wanted = identify(spec)
    run = RunFolder.own(wanted.id)
    if not (run.exists and run.results().entry("view")):
        stores.replace(stores.runs_root() / wanted.id / "spec.yaml", dump_run(spec))
        command = [sys.executable, "-m", "ssrl_core.runs.child.train", str(run.path)]
        if subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False).returncode:
            raise SystemExit(f"{wanted.id} failed; see {run.path / 'log.txt'}")
    return wanted.id


def row_of(run_id: str) -> Row:
    """What a run learnt, beside raw pixels and the untrained network."""
    run = RunFolder.own(run_id)
    spec, results, metrics = run.spec(), run.results(), run.metrics()
    view = results.view
    pixels, untrained = (results.reference(name, of_views=True) for name in ("pixels", "untrained"))
    online = metrics[metrics["kind"] == "eval"]
    return {
        "dataset": spec.dataset.name,
        "composition": spec.terms[0].composition.name,
        "method": spec.method.name,
        "epochs": spec.epochs,
        "images": spec.limit_train or "all",
        "seconds": round(results.seconds["train"] or 0),
        "view_knn": view.knn,
        "pixels_knn": pixels.knn,
        "untrained_knn": untrained.knn,
        "view_ami": view.ami,
        "pixels_ami": pixels.ami,
        "untrained_ami": untrained.ami,
        "knn": results.columns()["knn_top1"],
        "curve": [round(float(value), 3) for value in online["knn_top1"]] if len(online) else [],
    }


def all_rows() -> list[Row]:
    """Every finished run of this bench in the store."""
    found = []
    for path in sorted(stores.runs_root().glob("*/results.json")):
        run = RunFolder.own(path.parent.name)
        if run.results().entry("view") and run.spec().tags.get(TAG):
            found.append(row_of(run.id))
    return sorted(found, key=lambda row: (row["dataset"], row["composition"], row["method"]))


def _budget(row: Row) -> tuple[Any, ...]:
    return row["dataset"], row["composition"], row["images"], row["epochs"]


def as_table(rows: list[Row]) -> str:
    """The rows as a Markdown document."""
    lines = [
        "<!-- written by bench/learning.py -->",
        "# What each method learns in minutes",
        "",
        'tiny_cnn with `recipe: small` on a processor. "View": test images passed once, with fixed draws, through the',
        "composition; kNN accuracy of these views (bank: the train images, passed the same way) and AMI of k-means",
        "(K = 10) with the labels. Beside each: the same of raw pixels, and of the network before its first step. The",
        "curve is the kNN accuracy of untransformed validation images while training. Seconds depend on the machine,",
        "which was shared; the commands are in `bench/learning.py`.",
    ]
    for budget in dict.fromkeys(map(_budget, rows)):
        group = [row for row in rows if _budget(row) == budget]
        first = group[0]
        lines += [
            "",
            f"## {first['dataset']}, `{first['composition']}`: {first['images']} train images, "
            f"{first['epochs']} epochs",
            "",
            f"Raw pixels: view kNN {first['pixels_knn']:.3f}, view AMI {first['pixels_ami']:.3f}. "
            f"Untrained network: {first['untrained_knn']:.3f}, {first['untrained_ami']:.3f}.",
            "",
            "| method | view kNN | view AMI | kNN | kNN while training | train s |",
            "|---|---|---|---|---|---|",
        ]
        for row in group:
            curve = " ".join(f"{value:.2f}" for value in row["curve"])
            lines.append(
                f"| {row['method']} | {row['view_knn']:.3f} | {row['view_ami']:.3f} | {row['knn']:.3f} | {curve} "
                f"| {row['seconds']} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--composition", default="mnist-first-set")
    parser.add_argument("--backbone", default="tiny_cnn")
    parser.add_argument("--recipe", default="small")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS), metavar="METHOD")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--limit-train", type=int, default=None)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--online-every", type=int, default=3)
    parser.add_argument("--table", type=Path, help="write the table of all runs made so far, and train nothing")
    args = parser.parse_args()
    stores.prepare_caches()
    if args.table:
        args.table.parent.mkdir(parents=True, exist_ok=True)
        args.table.write_text(as_table(all_rows()), encoding="utf-8")
        return
    for method in args.methods:
        started = time.monotonic()
        run_id = train(spec_of(method, args))
        print(json.dumps(row_of(run_id) | {"run": run_id, "wall_s": round(time.monotonic() - started)}), flush=True)


if __name__ == "__main__":
    main()
