"""Classes tables (docs/contracts.md C10) with what is planted said beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

HUE = "vary.terms.0.composition.steps.color_jitter.hue"


def classes_table(
    curves: Mapping[str, Callable[[float], float]],
    *,
    values: Sequence[object] = tuple(np.linspace(0, 0.5, 10)),
    seeds: int = 3,
    noise: float = 0.0,
    n: int = 1000,
    method: str = "simclr",
    probe: str = "linear",
    dataset: str = "kit",
    column: str = HUE,
    seed: int = 0,
) -> pd.DataFrame:
    """Accuracy of each class = its curve of the place 0..1 of the value, plus noise, counted in n images."""
    rng = np.random.default_rng(seed)
    rows = []
    for place, value in enumerate(values):
        for s in range(5, 5 + seeds):
            for name, curve in curves.items():
                wanted = curve(place / max(1, len(values) - 1)) + rng.normal(0, noise)
                correct = round(float(np.clip(wanted, 0, 1)) * n)
                rows.append(
                    {
                        "run": f"{method}-{place}-{s}",
                        "dataset": dataset,
                        "backbone": "tiny_cnn",
                        "method": method,
                        "seed": s,
                        column: value,
                        "probe": probe,
                        "class": name,
                        "superclass": None,
                        "n": n,
                        "correct": correct,
                        "accuracy": correct / n,
                    }
                )
    return pd.DataFrame(rows)


def noise_table(classes: int = 30, *, trend: float = 0.0, noise: float = 0.02, **settings: object) -> pd.DataFrame:
    """Classes that do nothing of their own: noise around a common trend."""
    curves = {f"c{i:02d}": (lambda x, base=0.4 + 0.4 * i / classes: base + trend * x) for i in range(classes)}
    return classes_table(curves, noise=noise, **settings)


def big_table(
    classes: int = 100,
    values: int = 20,
    seeds: int = 5,
    methods: Sequence[str] = ("barlow_twins", "byol", "moco_v2_plus", "simclr", "vicreg"),
) -> pd.DataFrame:
    """50,000 rows by default, made at once: slopes of their own around a common trend."""
    rng = np.random.default_rng(0)
    slopes = rng.normal(0, 0.05, classes)
    c, v, s = (part.ravel() for part in np.indices((classes, values, seeds)))
    parts = []
    for method in methods:
        base = rng.uniform(0.4, 0.8, classes)
        accuracy = base[c] + (slopes[c] + 0.05) * v / max(1, values - 1) + rng.normal(0, 0.02, len(c))
        correct = np.round(np.clip(accuracy, 0, 1) * 100).astype(int)
        parts.append(
            pd.DataFrame(
                {
                    "run": [f"{method}-{i}-{j}" for i, j in zip(v, s, strict=True)],
                    "dataset": "cifar100",
                    "backbone": "resnet18",
                    "method": method,
                    "seed": s + 5,
                    HUE: np.linspace(0, 0.5, values)[v],
                    "probe": "linear",
                    "class": [f"class {i:02d}" for i in c],
                    "superclass": [f"super {i // 5:02d}" for i in c],
                    "n": 100,
                    "correct": correct,
                    "accuracy": correct / 100,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
