"""Table 2: clustering, linear evaluation and LPIPS of five sets of transformations on MNIST."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ssrl_core import stores
from ssrl_core.analysis.scores import mean_sd
from ssrl_core.paper import bases
from ssrl_core.paper.evidence import Evidence, column
from ssrl_core.paper.item import Item, Outcome, Plan, Row, contrast, plain_claim, rows_of

SETS = {
    "mnist-rotation-crop": "rotation+crop",
    "mnist-rotation-crop-padding": "rotation+crop+padding",
    bases.FIRST: "first_set: rotation+crop+padding+color_inversion",
    "mnist-rotation-crop-flips": "rotation+crop+flips",
    bases.SECOND: "second_set: rotation+crop+flips+random_erasing",
}
ORDER = ("mnist-rotation-crop", "mnist-rotation-crop-padding", "mnist-rotation-crop-flips", bases.FIRST, bases.SECOND)
LPIPS = ("lpips", {"dataset": "mnist", "compositions": {name: name for name in SETS}, "n": 1000, "seed": 5})
READINGS = ("lpips_readings", {"dataset": "mnist", "n": 200, "seed": 5})
MEASURES = {"lpips": LPIPS, "lpips readings": READINGS}
_OTHERS = [name for name in SETS if name not in (bases.FIRST, bases.SECOND)]


def _full() -> dict[str, Mapping[str, Any]]:
    return {"table-2 full": bases.mnist(vary=bases.over_sets(list(SETS)))}


def _small() -> dict[str, Mapping[str, Any]]:
    return {
        "table-2 small": bases.small_mnist(vary=bases.over_sets(side_px=bases.MNIST_PX)),
        "table-2 small, other rows": bases.small_mnist(vary=bases.over_sets(_OTHERS, bases.MNIST_PX), seeds=[5, 6]),
    }


def _instant() -> dict[str, Mapping[str, Any]]:
    return {"table-2 instant": bases.solved_mnist(vary=bases.over_sets(list(SETS)))}


def compare(evidence: Evidence) -> Outcome:
    """AMI and top-1 of the first set above the second; LPIPS in the published order."""
    tables = [evidence.results(name) for name in evidence.specs]
    table = pd.concat(tables, ignore_index=True)
    lpips = evidence.measure("lpips") or {}
    rows = []
    for label, name in SETS.items():
        for what in ("silhouette", "ami", "top1"):
            mean, sd, n = mean_sd(column(table, label, what))
            rows.append(Row(name, what, None, mean, sd, n))
        found = lpips.get(label)
        rows.append(Row(name, "lpips", None, *((found["mean"], found["sd"], found["n"]) if found else (None, None, 0))))
    readings = (evidence.measure("lpips readings") or {}).get("readings", [])
    notes = [_nearest(readings), designed() if lpips else ""]
    return Outcome(rows, [*_contrasts(table), *_steps(table), _order(lpips)], "\n".join(filter(None, notes)))


def designed() -> str:
    """What the designed experiment that ships says of LPIPS (`bench/lpips_design.py`); "" where it does not ship."""
    path = stores.shipped_root() / "docs" / "results" / "lpips-design.json"
    said = stores.read_json(path).get("conclusion", "") if path.is_file() else ""
    return f"LPIPS, a designed experiment: {said}" if said else ""


def _nearest(readings: list[dict[str, Any]]) -> str:
    """Which reading of the text fits the published LPIPS best, in words."""
    if not readings:
        return ""
    first, ordered = readings[0], [row for row in readings if row["in_order"]]
    values = ", ".join(f"{value:.2f}" for value in first["values"].values())
    many = f"{len(ordered)} of {len(readings)} readings have the published order"
    return (
        f"LPIPS, nearest reading of {len(readings)}: {_reading(first)}: {values} (mean difference "
        f"{first['distance']:.3f}). {many}" + (f", nearest {_reading(ordered[0])}." if ordered else ".")
    )


def _reading(row: Mapping[str, Any]) -> str:
    return f"{row['size_px']} px, numbers {row['range']}, {row['pairs']}"


def _contrasts(table: pd.DataFrame) -> list[Any]:
    return [
        contrast(
            f"{said}: the first set above the second",
            column(table, bases.FIRST, what),
            column(table, bases.SECOND, what),
            said,
        )
        for what, said in (("ami", "AMI"), ("top1", "top-1"))
    ]


_STEPS = (
    ("mnist-rotation-crop-padding", "mnist-rotation-crop", "padding beside rotation and crop above these alone"),
    (bases.FIRST, "mnist-rotation-crop-padding", "inversion beside padding above padding alone"),
    ("mnist-rotation-crop", "mnist-rotation-crop-flips", "rotation and crop alone above these with flips"),
    ("mnist-rotation-crop-flips", bases.SECOND, "flips alone above flips with erasing"),
)
"""Rows of which the paper says that the first stands above the second."""


def _steps(table: pd.DataFrame) -> list[Any]:
    """AMI step by step, and that the silhouette falls less."""
    found = [
        contrast(f"AMI, step by step: {said}", column(table, high, "ami"), column(table, low, "ami"), "AMI")
        for high, low, said in _STEPS
    ]
    falls = {what: _fallen(table, what) for what in ("ami", "silhouette")}
    said = "from the first set to the second AMI loses a larger share of itself than the silhouette"
    return [*found, contrast(said, falls["ami"], falls["silhouette"], "share")]


def _fallen(table: pd.DataFrame, what: str) -> list[float]:
    """Of each seed the share of a score that the second set costs."""
    if table.empty:
        return []
    wide = table.pivot_table(index="seed", columns="label", values=what)
    if not {bases.FIRST, bases.SECOND} <= set(wide):
        return []
    return [float(v) for v in (1 - wide[bases.SECOND] / wide[bases.FIRST]).dropna()]


def _order(lpips: Mapping[str, Any]) -> Any:
    claim = "LPIPS of the five rows in the published order"
    if not lpips:
        return plain_claim(claim, None)
    means = [lpips[name]["mean"] for name in ORDER]
    said = ", ".join(f"{SETS[name].split(':')[0]} {value:.3f}" for name, value in zip(ORDER, means, strict=True))
    return plain_claim(claim, means == sorted(means), int(lpips[bases.FIRST]["n"]), reason=said)


ITEM = Item(
    "table-2",
    "MNIST: five sets of transformations",
    "Padding and inversion help a representation of digits; flips, strong rotation and erasing destroy it, while the "
    "silhouette falls only a little. LPIPS between views is highest for the second set.",
    {
        "full": Plan(
            _full,
            MEASURES,
            ("mnist",),
            "VGG11, MoCo v2+, 250 epochs. Silent: order, fill value, the "
            "probability of inversion (0.5), whether a crop's scale is area (it is) or side.",
        ),
        "instant": Plan(
            _instant, {"lpips": LPIPS}, ("mnist",), bases.SOLVED_SAYS.format("MNIST, " + bases.SOLVED_MNIST)
        ),
        "small": Plan(
            _small,
            MEASURES,
            ("mnist",),
            "Rehearsal: tiny CNN, views of 16 px, 4,000 images, 30 "
            "epochs; "
            "five seeds for both sets, two for the rows between them.",
        ),
    },
    compare,
    lambda: rows_of("table_2_mnist", tuple(SETS.values())),
    "The caption calls the method MoCo v2, appendix B.2 MoCo v2+. Figure 4's caption leaves erasing and the horizontal "
    "flip out of the second set.",
)
