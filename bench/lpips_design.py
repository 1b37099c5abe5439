"""Table 2's LPIPS column as a designed experiment: which reading of the paper comes how near to its five numbers.

    python -m bench.lpips_design                          # measures what is not measured yet, then prints
    python -m bench.lpips_design --out docs/results       # and writes lpips-design.md and .json
    python -m bench.lpips_design --confirm                # measures the settings that the effects point to, too
    python -m bench.lpips_design --done                   # tells what is measured so far, and measures nothing

Ten things that the paper leaves open, two levels each, in 32 of their 1,024 combinations: a fractional factorial of
resolution IV (2^(10-5)), so that no main effect is mixed with another or with an effect of two things together. Every
combination is measured on the five rows of table 2 with several seeds; what is drawn once for a run (margin, crop) is
drawn once a seed. Each measurement is a line of a file as soon as it is made: a stopped experiment goes on.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ssrl_core import __version__, stores
from ssrl_core.datasets import store as image_sets
from ssrl_core.paper.evidence import PUBLISHED, lpips_apart
from ssrl_core.specs.composition import Composition

FACTORS: dict[str, tuple[str, str]] = {
    "pairs": ("view against view", "image against view"),
    "crop": ("share of the area", "share of the side"),
    "size of crops": ("drawn for each view", "one for a run"),
    "margin": ("drawn for each view", "one for a run"),
    "jitter": ("none", "brightness and contrast 0.4"),
    "erasing": ("p 0.5", "p 1"),
    "erased with": ("black", "noise"),
    "erased share": ("0.02 to 0.3", "0.3"),
    "colour of margins": ("black", "white"),
    "AlexNet sees": ("64 px, numbers -1 to 1", "224 px, numbers 0 to 1"),
}
"""Name -> low level, high level."""
_MADE_OF = ((0, 1, 2, 3), (0, 1, 2, 4), (0, 1, 3, 4), (0, 2, 3, 4), (1, 2, 3, 4))
"""Generators: each of the last five columns is the product of four of the first five."""
ROWS = ("mnist-rotation-crop", "mnist-rotation-crop-padding", "mnist-first-set", "mnist-rotation-crop-flips",
        "mnist-second-set")  # fmt: skip
SEEDS, IMAGES = (5, 6, 7), 24
OTHER_SEEDS = (8, 9, 10, 11, 12)  # what was chosen with the first is looked at again with these
_PAIRS = 10
_LOOKED_AT = ("the nearest", "what the effects point to")
"""Of rows."""
Row = dict[str, Any]


def design() -> np.ndarray:
    """(32,10) of -1 and 1."""
    base = np.array(np.meshgrid(*[[-1, 1]] * 5, indexing="ij")).reshape(5, -1).T
    return np.column_stack([base, *[base[:, list(of)].prod(axis=1) for of in _MADE_OF]])


def steps_of(row: str, high: Mapping[str, bool], rng: np.random.Generator) -> list[Row]:
    """The steps of a row of table 2 at the levels, in the order of the paper's sentence.

    Args:
        rng: of the seed: what is one for a run is drawn from it.
    """
    flips, colour = row.endswith(("flips", "second-set")), float(high["colour of margins"])
    scale = (0.9, 1.1) if flips else (0.5, 0.9)
    margin = rng.uniform(0.1, 0.4)
    steps: list[Row] = []
    if row.endswith(("padding", "first-set")):
        fraction = [margin, margin] if high["margin"] else [0.1, 0.4]
        steps.append({"transform": "pad", "fraction": fraction, "fill": colour})
    if row.endswith("first-set"):
        steps.append({"transform": "invert", "p": 0.5})
    if flips:
        steps += [{"transform": "horizontal_flip", "p": 0.5}, {"transform": "vertical_flip", "p": 0.5}]
    steps.append({"transform": "rotation", "degrees": 180 if flips else 25, "fill": colour})
    steps.append(_crop(scale, high, rng))
    if row.endswith("second-set"):
        share = [0.3, 0.3] if high["erased share"] else [0.02, 0.3]
        value = "noise" if high["erased with"] else 0.0
        p = 1.0 if high["erasing"] else 0.5
        steps.append({"transform": "random_erasing", "p": p, "scale": share, "value": value})
    if high["jitter"]:
        steps.append({"transform": "color_jitter", "brightness": 0.4, "contrast": 0.4, "saturation": 0, "hue": 0})
    return steps


def _crop(scale: tuple[float, float], high: Mapping[str, bool], rng: np.random.Generator) -> Row:
    """By area as torchvision does, or by side, which ends at the whole image; of one size for a run or not."""
    ends = list(scale) if not high["crop"] else [scale[0], min(1.0, scale[1])]
    one = rng.uniform(ends[0], ends[1])
    ends = [one, one] if high["size of crops"] else ends
    if high["crop"]:
        return {"transform": "side_crop", "side": ends}
    ratio = {"ratio": [1.0, 1.0]} if high["size of crops"] else {}
    return {"transform": "resized_crop", "scale": ends, "overflow": "reject", **ratio}


def lpips(row: str, levels: np.ndarray, seed: int, images: int) -> float:
    """Mean LPIPS of a row at some levels, of one seed."""
    import torch

    from ssrl_core.compositions.draws import draw
    from ssrl_core.compositions.views import make_views

    high = {name: level > 0 for name, level in zip(FACTORS, levels, strict=True)}
    steps = steps_of(row, high, np.random.default_rng([seed, ROWS.index(row)]))
    made = Composition.from_mapping({"version": 1, "name": row, "size": 32, "steps": steps})
    imageset = image_sets.load("mnist")
    ids = imageset.split_ids("test")[(seed - SEEDS[0]) * images :][:images]
    pixels = torch.from_numpy(imageset.take(ids))
    views = make_views(pixels, draw(made, ids, seed=seed, epoch=0), made, max_value=imageset.max_value)[0]
    whole = torch.nn.functional.interpolate(
        pixels.float() / imageset.max_value, (32, 32), mode="bilinear", align_corners=False
    )
    pair = (whole, views[0]) if high["pairs"] else (views[0], views[1])
    size, kind = (224, "0..1") if high["AlexNet sees"] else (64, "-1..1")
    return float(np.mean(lpips_apart(*pair, size, kind)))


def _key(row: str, levels: np.ndarray, seed: int, images: int) -> str:
    return f"{row} {''.join('+' if level > 0 else '-' for level in levels)} s{seed} n{images}"


def measured(runs: np.ndarray, images: int, seeds: Sequence[int] = SEEDS, *, make: bool = True) -> pd.DataFrame:
    """A row for each combination, row of table 2 and seed; what is missing is measured and written down.

    Args:
        make: else what is missing is left out.
    """
    path = stores.models_root() / "paper" / "lpips-design.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text().splitlines() if path.is_file() else []
    known = {one["key"]: one["lpips"] for one in map(json.loads, lines)}
    rows, todo, started, made = [], list(_cells(runs, seeds)), time.monotonic(), 0
    with path.open("a") as file:
        for place, (number, row, seed) in enumerate(todo, 1):
            key = _key(row, runs[number], seed, images)
            if key not in known and not make:
                continue
            if key not in known:
                known[key], made = lpips(row, runs[number], seed, images), made + 1
                file.write(json.dumps({"key": key, "lpips": known[key]}) + "\n")
                file.flush()
                print(f"\r{place} of {len(todo)}, {time.monotonic() - started:.0f} s", end="", flush=True)
            rows.append({"run": number, "row": row, "seed": seed, "lpips": known[key]})
    print()
    return pd.DataFrame(rows)


def _cells(runs: np.ndarray, seeds: Sequence[int]) -> Iterator[tuple[int, str, int]]:
    """What AlexNet sees at 64 px first: it takes a tenth of the time."""
    order = np.argsort(runs[:, -1], kind="stable")
    return (
        (int(number), row, seed)
        for level in (-1, 1) for seed in seeds for number in order if runs[number, -1] == level for row in ROWS
    )  # fmt: skip


def scored(table: pd.DataFrame) -> pd.DataFrame:
    """A row a combination and seed: its five numbers, how far they are from the published ones, and in which order.

    `distance`: mean absolute difference; `in order`: pairs of rows (of ten) in the published order.
    """
    wide = table.pivot(index=["run", "seed"], columns="row", values="lpips").reindex(columns=list(ROWS)).dropna()
    published = np.array([PUBLISHED[row] for row in ROWS])
    pairs = [(a, b) if published[a] < published[b] else (b, a) for a, b in combinations(range(len(ROWS)), 2)]
    values = wide.to_numpy()
    wide["distance"] = np.abs(values - published).mean(axis=1)
    wide["in order"] = sum((values[:, low] < values[:, high]).astype(float) for low, high in pairs)
    return wide.reset_index()


def effects(runs: np.ndarray, scores: pd.DataFrame, what: str) -> pd.DataFrame:
    """For each factor how much its high level changes a score, with the 95 % interval of least squares.

    Seeds are replicates; what two factors do together counts as noise.
    """
    x = np.column_stack([np.ones(len(scores)), runs[scores["run"].to_numpy()]])
    y = scores[what].to_numpy(dtype=float)
    fitted, *_ = np.linalg.lstsq(x, y, rcond=None)
    free = len(y) - x.shape[1]
    spread = np.sqrt(((y - x @ fitted) ** 2).sum() / free * np.diag(np.linalg.inv(x.T @ x)))
    half = 2 * stats.t.ppf(0.975, free) * spread[1:]
    effect = 2 * fitted[1:]
    return pd.DataFrame({"factor": list(FACTORS), "effect": effect, "low": effect - half, "high": effect + half})


def pointed_to(runs: np.ndarray, scores: pd.DataFrame) -> np.ndarray:
    """(1,10) the level of each factor that brings the numbers nearer."""
    found = effects(runs, scores, "distance")["effect"].to_numpy()
    return np.where(found < 0, 1, -1)[None]


def nearest(runs: np.ndarray, scores: pd.DataFrame, count: int = 6) -> pd.DataFrame:
    """The combinations nearest to the published numbers, means over seeds."""
    means = scores.drop(columns="seed").groupby("run").mean().sort_values("distance").head(count)
    return means.assign(levels=[_said(runs)[run] for run in means.index])


def _said(runs: np.ndarray) -> dict[int, str]:
    """Number of a combination -> its levels as signs."""
    return {at: "".join("+" if level > 0 else "-" for level in run) for at, run in enumerate(runs)}


def _means(confirmed: pd.DataFrame) -> list[Row]:
    means: list[Row] = (
        confirmed.drop(columns=["run", "seed"]).groupby("levels").mean().round(4).reset_index().to_dict("records")
    )
    return means


def document(runs: np.ndarray, scores: pd.DataFrame, confirmed: pd.DataFrame | None, images: int) -> Row:
    """All of it as plain data."""
    told = {what: effects(runs, scores, what).round(4).to_dict("records") for what in ("distance", "in order", *ROWS)}
    return {
        "conclusion": conclusion(runs, scores, confirmed, images),
        "version": 1,
        "viewloom": __version__,
        "fingerprint": image_sets.load("mnist").fingerprint,
        "factors": {name: list(levels) for name, levels in FACTORS.items()},
        "seeds": sorted({int(seed) for seed in scores["seed"]}),
        "images": images,
        "published": {row: PUBLISHED[row] for row in ROWS},
        "effects": told,
        "nearest": nearest(runs, scores).round(4).reset_index().to_dict("records"),
        "most in order": float(scores.groupby("run")["in order"].mean().max()),
        "confirmed": [] if confirmed is None else _means(confirmed),
        "cells": scores.round(4).to_dict("list"),
        "design": list(_said(runs).values()),
    }


def conclusion(runs: np.ndarray, scores: pd.DataFrame, confirmed: pd.DataFrame | None, images: int) -> str:
    """What the measurements say, in sentences: the order, the nearest, the second set, and what brings them nearer."""
    order, seeds = scores.groupby("run")["in order"], _seeds_words(runs, scores)
    always = int(((order.min() == _PAIRS) & (order.count() > 1)).sum())
    once = int((order.max() == _PAIRS).sum())
    best, last = nearest(runs, scores).iloc[0], scores.groupby("run")[ROWS[-1]].mean().max()
    said = [
        f"Of {len(runs)} combinations of ten open settings ({images} test images a seed; {seeds}) {always or 'none'} "
        f"{'has' if always in (0, 1) else 'have'} the published order under every one of several seeds, "
        f"{once or 'none'} under one at least. The nearest differs by {best['distance']:.3f} in the mean and has "
        f"{best['in order']:.1f} of {_PAIRS} pairs of rows in order; the second set's {PUBLISHED[ROWS[-1]]:.2f} is "
        f"{best[ROWS[-1]]:.2f} there and {last:.2f} at most."
    ]
    if confirmed is not None and len(confirmed):
        told = " and ".join(
            f"for {who} under {_again(rows)}"
            for who, (_, rows) in zip(_LOOKED_AT, confirmed.groupby("levels", sort=False), strict=False)
        )
        seeds = confirmed["seed"].nunique()
        said.append(
            f"Looked at again with {2 * images} images each of {seeds} seeds that chose nothing, the published order "
            f"stands {told}."
        )
    return " ".join([*said, *_surely(runs, scores)])


def _again(rows: pd.DataFrame) -> str:
    """Under how many seeds one combination has the published order, and its five numbers."""
    numbers = ", ".join(f"{value:.2f}" for value in rows[list(ROWS)].mean())
    ordered = int((rows["in order"] == _PAIRS).sum())
    return f"{ordered} of {len(rows)} ({numbers}; mean difference {rows['distance'].mean():.3f})"


def _seeds_words(runs: np.ndarray, scores: pd.DataFrame) -> str:
    """`3 seeds`, or how many at either size that AlexNet sees."""
    counts = scores.groupby("run")["seed"].nunique()
    of = [sorted({int(counts[run]) for run in counts.index if runs[run, -1] == level}) for level in (-1, 1)]
    said = [" or ".join(map(str, one)) + (" seeds" if one != [1] else " seed") for one in of]
    return said[0] if said[0] == said[1] else f"{said[0]} at 64 px, {said[1]} at 224 px"


def _surely(runs: np.ndarray, scores: pd.DataFrame) -> list[str]:
    """The levels that change the mean difference beyond chance, and those that do not."""
    found = effects(runs, scores, "distance")
    sure = found[(found["low"] > 0) | (found["high"] < 0)].sort_values("effect", key=lambda e: -e.abs())
    nearer = [f"{one['factor']}: {FACTORS[one['factor']][one['effect'] < 0]} (by {abs(one['effect']):.3f})"
              for _, one in sure.iterrows()]  # fmt: skip
    rest = ", ".join(name for name in FACTORS if name not in set(sure["factor"]))
    told = [f"Nearer beyond chance: {'; '.join(nearer)}."] if nearer else []
    return [*told, f"Without an effect that could be told: {rest}."] if rest else told


def markdown(found: Row) -> str:
    """The document for people."""
    parts = [
        "# Table 2's LPIPS: a designed experiment",
        f"Ten things that the paper leaves open, two levels each, 32 of the 1,024 combinations (2^(10-5), resolution "
        f"IV), five rows of table 2, seeds {found['seeds']}, {found['images']} test images of MNIST a seed. "
        "`python -m bench.lpips_design --confirm --out docs/results` makes it again and goes on where it was stopped.",
        f"**{found['conclusion']}**",
        "How much the second level of each changes the mean absolute difference to the five published numbers (below 0 "
        "is nearer), and how many of ten pairs of rows stand in the published order; 95 % intervals.",
        _effects_table(found),
        f"The nearest combinations, mean over seeds. Levels (- first, + second) of: {', '.join(found['factors'])}.",
        _nearest_table(found),
    ]
    return "\n\n".join(parts) + "\n"


def _effects_table(found: Row) -> str:
    lines = ["| | first level | second level | difference to published | pairs in order |", "|---|---|---|---|---|"]
    by_order = {one["factor"]: one for one in found["effects"]["in order"]}
    for one in sorted(found["effects"]["distance"], key=lambda one: -abs(one["effect"])):
        low, high = found["factors"][one["factor"]]
        spans = [f"{e['effect']:+.3f} ({e['low']:+.3f} to {e['high']:+.3f})" for e in (one, by_order[one["factor"]])]
        lines.append(f"| {one['factor']} | {low} | {high} | {' | '.join(spans)} |")
    return "\n".join(lines)


def _nearest_table(found: Row) -> str:
    heads = [row.removeprefix("mnist-") for row in ROWS]
    lines = [f"| levels | {' | '.join(heads)} | mean difference | pairs in order |", "|---" * (len(ROWS) + 3) + "|"]
    published = " | ".join(f"{found['published'][row]:.2f}" for row in ROWS)
    lines.append(f"| published | {published} | | 10 |")
    more = [
        {**one, "levels": f"{one['levels']}, {2 * found['images']} images of other seeds"} for one in found["confirmed"]
    ]
    for one in [*more, *found["nearest"]]:
        values = " | ".join(f"{one[row]:.2f}" for row in ROWS)
        lines.append(f"| `{one['levels']}` | {values} | {one['distance']:.3f} | {one['in order']:.1f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure what is missing, print, and write it where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=IMAGES, help="test images a seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS), help="each with images of its own")
    parser.add_argument("--confirm", action="store_true", help="measure the levels that the effects point to, too")
    parser.add_argument("--done", action="store_true", help="tell what is measured so far, measure nothing")
    parser.add_argument("--out", type=Path, help="folder for lpips-design.md and .json")
    args = parser.parse_args()
    runs = design()
    scores = scored(measured(runs, args.images, args.seeds, make=not args.done))
    confirmed = None
    if args.confirm:  # with seeds that chose nothing, as the nearest of 32 is partly luck
        best = np.stack([runs[nearest(runs, scores).index[0]], pointed_to(runs, scores)[0]])
        more = scored(measured(best, 2 * args.images, OTHER_SEEDS, make=not args.done))
        confirmed = more.assign(levels=more["run"].map(_said(best)))
    found = document(runs, scores, confirmed, args.images)
    print(markdown(found))
    if args.out:
        stores.replace(args.out / "lpips-design.json", json.dumps(found, indent=1, allow_nan=False) + "\n")
        stores.replace(args.out / "lpips-design.md", markdown(found))


if __name__ == "__main__":
    main()
