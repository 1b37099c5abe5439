"""What a network keeps whose projector is told of the draws (`condition: draws`), beside the same without.

    python -m bench.told --dataset strokes --composition mnist-rotation-crop --out docs/results/told.md

Trains tiny_cnn with `recipe: small` with and without, for each method and seed (one that is there already is not
trained again), and reads test images whole: kNN and a linear classifier for the label, R² of a linear reading for
descriptors. Raw pixels and the network before its first step are read the same way. Prints JSON; `--out` adds a table.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.learning import train
from ssrl_core import stores
from ssrl_core.forecast.reading import targets_of
from ssrl_core.learning.embedding import untrained_encoder
from ssrl_core.learning.encoders import load_encoder
from ssrl_core.learning.probes.knn import knn_top1
from ssrl_core.learning.probes.linear import linear_probe
from ssrl_core.runs.evaluation.images import EvaluationImages, Rows, encoder_features, extract, pixel_features
from ssrl_core.runs.evaluation.parts.read import halves, shares
from ssrl_core.runs.folder.run_folder import RunFolder, imageset_of
from ssrl_core.specs.run import RunSpec

CONDITIONS = {"none": "not told", "draws": "told"}
Found = dict[str, float]


def spec_of(method: str, condition: str, seed: int, args: argparse.Namespace) -> RunSpec:
    """The run of one method, with or without."""
    return RunSpec.from_mapping(
        {
            "dataset": args.dataset,
            "backbone": "tiny_cnn",
            "method": method,
            "recipe": "small",
            "condition": condition,
            "terms": args.composition,
            "epochs": args.epochs,
            "seed": seed,
            "limit_train": args.limit_train,
            "device": "cpu",
            "evaluate": {"clusters": [10], "linear": None, "layouts": [], "online_every_epochs": 0},
            "keep": {"embedding": "test"},
        }
    )


def found_in(images: EvaluationImages, features: Callable[[Any], Rows]) -> Found:
    """What features of whole images tell of the label and of descriptors, on test images."""
    bank, asked = (extract(images.batches(ids), {"": features})[""] for ids in (images.bank, images.evaluated))
    known, wanted = images.labels_of(images.bank), images.labels_of(images.evaluated)
    made = {"kNN": knn_top1(bank, known, asked, wanted)}
    made["linear"] = float((linear_probe(bank, known, asked) == wanted).mean())
    fit, ask = halves(images)
    targets = targets_of(images.imageset, fit, ask)
    own, others = bank[np.searchsorted(images.bank, fit)], asked[np.searchsorted(images.evaluated, ask)]
    read = shares(targets, own, others, images)
    return made | {name: reading.value for name, reading in read.items() if targets[name][0] == "descriptor"}


def of_seed(method: str, seed: int, args: argparse.Namespace) -> dict[str, Found]:
    """Raw pixels, the network before its first step, and after training without and with."""
    made: dict[str, Found] = {}
    for condition, name in CONDITIONS.items():
        run = RunFolder.own(train(spec_of(method, condition, seed, args)))
        imageset = imageset_of(run.spec())
        images = EvaluationImages(run.spec(), imageset)
        if not made:
            made["raw pixels"] = found_in(images, pixel_features)
            made["untrained"] = found_in(images, encoder_features(untrained_encoder(run.spec(), imageset), "cpu"))
        made[name] = found_in(images, encoder_features(load_encoder(run.path / "encoder.safetensors"), "cpu"))
    return made


def as_table(method: str, seeds: list[dict[str, Found]], args: argparse.Namespace) -> str:
    """Means over the seeds; in brackets the least and the most of what was trained."""
    sources, names = list(seeds[0]), list(seeds[0]["raw pixels"])

    def cell(source: str, name: str) -> str:
        values = [seed[source].get(name, 0.0) for seed in seeds]
        span = "" if source == "raw pixels" else f" ({min(values):.2f} to {max(values):.2f})"
        return f"{statistics.mean(values):.3f}{span}"

    about = f"{args.epochs} epochs" + (f" of {args.limit_train} images" if args.limit_train else "")
    head = f"## {args.dataset}, `{args.composition}`, {method}: {about}, seeds {', '.join(map(str, args.seeds))}"
    rows = ["| | " + " | ".join(sources) + " |", "|---" * (1 + len(sources)) + "|"]
    rows += [f"| {name} | " + " | ".join(cell(source, name) for source in sources) + " |" for name in names]
    return "\n".join(["", head, "", *rows, ""])


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="strokes")
    parser.add_argument("--composition", default="mnist-rotation-crop")
    parser.add_argument("--methods", nargs="+", default=["simclr", "vicreg"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[5, 6, 7])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--limit-train", type=int, default=None)
    parser.add_argument("--out", type=Path, help="a document that gets a table for each method")
    args = parser.parse_args()
    stores.prepare_caches()
    for method in args.methods:
        seeds = [of_seed(method, seed, args) for seed in args.seeds]
        print(json.dumps({"method": method, "seeds": seeds}), flush=True)
        if args.out:
            with args.out.open("a", encoding="utf-8") as document:
                document.write(as_table(method, seeds, args))


if __name__ == "__main__":
    main()
