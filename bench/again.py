"""Verdicts of the scale `instant` again, with other seeds and with other images of the same kinds.

    python -m bench.again                                    # every item: solves what is not solved yet, then prints
    python -m bench.again --items figure-6 table-4           # some items
    python -m bench.again --sweeps nocodazole hue            # of them the sweeps with one of these in their names
    python -m bench.again --out docs/results                 # and writes again.md and again.json; what was told there
                                                             # before stays where nothing was solved anew

Other images: simulated cells drawn from other seeds, MNIST's train images that no shipped number has seen, halves of
CIFAR-10's images, of the hundred classes (whole superclasses) and of the plates of the real crops. What is solved is
kept with all that `paper run` solves, so a stopped run goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ssrl_core import __version__, stores
from ssrl_core.datasets import builtin, store
from ssrl_core.datasets.creation import Metadata, create
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.datasets.made.simulated_cells import make_simulated
from ssrl_core.paper import running, solved
from ssrl_core.paper.authors import told
from ssrl_core.paper.evidence import Evidence, sweep_spec
from ssrl_core.paper.item import NOT_RUN, REVERSED, SHOWN
from ssrl_core.paper.items import ITEMS

SEEDS = [10, 11, 12, 13, 14]
"""Of feature banks and draws; those that ship have 5 to 9."""
WAYS = {"seeds": "other seeds", "images": "other images", "more": "still other images"}
_DRAWN_FROM = {"images": 77, "more": 78}
_MNIST_TRAIN, _MNIST_TEST = 4000, 10_000
_WITH_CLAIMS = tuple(name for name, item in ITEMS.items() if "instant" in item.plans)
Row = dict[str, Any]


def _drawn(name: str, way: str, make: bool) -> Row:
    """Simulated cells as the built-in ones, from another seed."""
    row, made = builtin.BUILT_IN[name], f"{name}-{_DRAWN_FROM[way]}"
    if make and not store.is_ready(made):
        only = "sim-nocodazole" if name == "simulated-nocodazole" else None
        make_simulated(made, row.count, side=row.shape[1], seed=_DRAWN_FROM[way], only=only)
    return {"name": made}


def _mnist(name: str, way: str, make: bool) -> Row:
    """4,000 and 10,000 of the train images, after the first 4,000, which what ships was solved on."""
    imageset, made = store.load(name), f"{name}-{way}"
    if make and not store.is_ready(made):
        start = _MNIST_TRAIN if way == "images" else 2 * _MNIST_TRAIN + _MNIST_TEST
        ids = imageset.split_ids("train")
        ids = ids[np.argsort(imageset.table["order"].to_numpy()[ids])][start:]
        _part(made, imageset, ids[:_MNIST_TRAIN], ids[_MNIST_TRAIN:][:_MNIST_TEST])
    return {"name": made}


def _half_images(name: str, way: str, make: bool) -> Row:
    """Every second image of each split."""
    imageset, made = store.load(name), f"{name}-{way}"
    if make and not store.is_ready(made):
        halves = [_half(np.sort(imageset.split_ids(split)), way) for split in ("train", "test")]
        _part(made, imageset, *halves)
    return {"name": made}


def _half_classes(name: str, way: str, make: bool) -> Row:
    """Every second superclass, whole."""
    groups = sorted(store.load(name).table["superclass"].unique())
    return {"name": name, "where": {"superclass": list(_half(groups, way))}}


def _half_plates(name: str, way: str, make: bool) -> Row:
    """Every second plate, whole."""
    plates = sorted(store.load(name).table["plate"].astype(str).unique())
    return {"name": name, "where": {"plate": list(_half(plates, way))}}


def _half(values: Any, way: str) -> Any:
    return values[0 if way == "images" else 1 :: 2]


def _part(name: str, imageset: ImageSet, train: np.ndarray, test: np.ndarray) -> None:
    """An image set of some images of another, in splits of their own."""
    ids = np.concatenate([train, test])
    table = imageset.table.iloc[ids][[imageset.label]].reset_index(drop=True)
    table = table.assign(split=["train"] * len(train) + ["test"] * len(test))
    said = Metadata(label=imageset.label, classes=imageset.classes, max_value=imageset.max_value)
    create(name, np.ascontiguousarray(imageset.take(ids)), table, said)


OTHERS: Mapping[str, Callable[[str, str, bool], Row]] = {
    "simulated-nocodazole": _drawn,
    "simulated-cells": _drawn,
    "mnist": _mnist,
    "cifar10": _half_images,
    "hundred": _half_classes,
    "bbbc021-crops": _half_plates,
}
"""Image set -> other images of its kind, from its name, the way, and whether they are made where they are not here."""


def changed(data: Mapping[str, Any], way: str, make: bool = True) -> Row:
    """A sweep with other seeds, or with other images and its own seeds."""
    if way == "seeds":
        return {**data, "seeds": SEEDS}
    given = data["dataset"]
    given = {"name": given} if isinstance(given, str) else dict(given)
    other = OTHERS[given["name"]](given["name"], way, make)
    where = {**given.get("where", {}), **other.get("where", {})}
    return {**data, "dataset": {"name": other["name"], **({"where": where} if where else {})}}


def evidence(item: str, way: str, sweeps: Sequence[str], *, make: bool = True) -> Evidence:
    """An item's evidence in another way; only the sweeps with one of the texts in their names, all without any.

    Args:
        make: images that are not here; else only sweeps of which every composition and seed is solved.
    """
    plan = ITEMS[item].plans["instant"]
    chosen = {name: data for name, data in plan.sweeps().items() if not sweeps or any(s in name for s in sweeps)}
    made = {name: changed(data, way, make) for name, data in chosen.items()}
    if not make:
        made = {name: data for name, data in made.items() if set(solved.progress(sweep_spec(name, data))) == {"done"}}
    return Evidence(replace(plan, sweeps=lambda: made, measures={}), "instant")


def again(
    items: Sequence[str], ways: Sequence[str], sweeps: Sequence[str], *, workers: int, before: Sequence[Row] = ()
) -> list[Row]:
    """A row a claim that ships with a verdict: {id, claim, shipped, WAY: as `Contrast.as_dict`}, ways without results
    left out.

    Args:
        workers: threads that solve; 0: nothing is solved, what is there is told.
        before: rows of an earlier time, whose results stay where there are no newer ones.
    """
    rows: dict[tuple[str, str], Row] = {}
    earlier = {(row["id"], row["claim"]): {way: row[way] for way in WAYS if way in row} for row in before}
    for item in _WITH_CLAIMS:
        ships = running.shipped(item, "instant")
        for claim in ships["contrasts"] if ships else []:
            key = (item, claim["claim"])
            rows[key] = {"id": item, "claim": claim["claim"], "shipped": claim, **earlier.get(key, {})}
    for way in ways:
        for item in items:
            found = evidence(item, way, sweeps, make=workers > 0)
            if workers:
                asked = [task for spec in found.specs.values() for task in solved.tasks(spec)]
                print(way, item, solved.solve_all(asked, workers=workers), flush=True)
            for one in ITEMS[item].compare(found).contrasts if found.specs else []:
                if one.verdict != NOT_RUN and (item, one.claim) in rows:
                    rows[item, one.claim][way] = one.as_dict()
    return [row for row in rows.values() if any(way in row for way in WAYS)]


def counted(rows: Sequence[Row], way: str) -> str:
    """How many verdicts are the same, and what became of those that were shown."""
    mine = [row for row in rows if way in row]
    same = sum(row[way]["verdict"] == row["shipped"]["verdict"] for row in mine)
    shown = [row[way]["verdict"] for row in mine if row["shipped"]["verdict"] == SHOWN]
    turned = [row for row in mine if {row[way]["verdict"], row["shipped"]["verdict"]} == {SHOWN, REVERSED}]
    new = sum(row[way]["verdict"] == SHOWN != row["shipped"]["verdict"] for row in mine)
    return (
        f"{WAYS[way].capitalize()}: {same} of {len(mine)} verdicts are the same. Of {len(shown)} claims that show in "
        f"what ships {shown.count(SHOWN)} show again; {new} more show that did not; {len(turned)} went from one side "
        "to the other."
    )


def markdown(rows: Sequence[Row]) -> str:
    """The table for people."""
    ways = [way for way in WAYS if any(way in row for row in rows)]
    lines = [f"| item | claim | ships | {' | '.join(WAYS[way] for way in ways)} |", "|---" * (3 + len(ways)) + "|"]
    for row in rows:
        cells = [told(row[way]) if way in row else "–" for way in ("shipped", *ways)]
        lines.append(f"| {row['id']} | {row['claim']} | {' | '.join(cells)} |")
    parts = [
        "# Verdicts again",
        "The scale *instant* (solved, not trained) with other seeds of feature bank and draws (10 to 14), and with "
        "other images of the same kinds and the seeds of before: simulated cells drawn anew (seeds 77 and 78), MNIST's "
        "train images that no shipped number has seen (4,000 to learn from, 10,000 to test), two halves each of "
        "CIFAR-10's images, of the hundred classes (whole superclasses) and of the plates of the real crops. Halves "
        "have wider intervals. Differences in the direction of the claim, 95 % intervals over five seeds.",
        *(counted(rows, way) for way in ways),
        "\n".join(lines),
        "Again: `python -m bench.again --out docs/results`.",
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Solve what is missing, print, and write it where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--items", nargs="+", default=_WITH_CLAIMS, choices=_WITH_CLAIMS, metavar="ITEM", help="all unless named"
    )
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS), help="what is other")
    parser.add_argument("--sweeps", nargs="+", default=[], metavar="TEXT", help="only sweeps with this in their names")
    parser.add_argument("--workers", type=int, default=2, help="threads that solve; 0: only what is solved already")
    parser.add_argument("--out", type=Path, help="folder for again.md and .json")
    args = parser.parse_args()
    file = args.out / "again.json" if args.out else None
    before = stores.read_json(file)["rows"] if file and file.is_file() else []
    rows = again(args.items, args.ways, args.sweeps, workers=args.workers, before=before)
    text = markdown(rows)
    print(text)
    if file:
        found = {"version": 1, "viewloom": __version__, "seeds": SEEDS, "rows": rows}
        stores.replace(file, json.dumps(found, ensure_ascii=False, allow_nan=False) + "\n")
        stores.replace(file.with_suffix(".md"), text)


if __name__ == "__main__":
    main()
