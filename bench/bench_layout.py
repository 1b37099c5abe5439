"""Layouts a minute: ours beside scikit-learn, openTSNE and umap-learn as it comes, on the same embedding."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from bench.support.measuring import Item, Options, installed, item
from ssrl_core.analysis.layouts import compute_layout, trustworthiness
from ssrl_core.analysis.matrix import principal_components

TITLE = "Seconds of t-SNE and UMAP beside scikit-learn, openTSNE and umap-learn."
SIZES = (3_500, 60_000)
DIM = 512
Points = Callable[[np.ndarray], np.ndarray]


def measure(options: Options) -> Iterator[Item]:
    """Every size and method; 60,000 rows take many minutes and are measured only with `--only 60000`."""
    for n in SIZES:
        for method in ("tsne", "umap"):
            case = f"{method}-{n}x{DIM}"
            if not options.wanted(case) or (n > 3_500 and not options.only):
                continue
            yield from _case(case, method, embedding(n), options.rounds if n <= 3_500 else 1)


def embedding(n: int) -> np.ndarray:
    """(n, 512) float32: ten groups that overlap, with falling variance along the columns."""
    rng = np.random.default_rng(0)
    falling = np.linspace(2.0, 0.2, DIM)
    group = rng.integers(0, 10, n)
    return ((rng.normal(0, 1.0, (10, DIM))[group] + rng.normal(0, 1, (n, DIM))) * falling).astype(np.float32)


def _case(case: str, method: str, x: np.ndarray, rounds: int) -> Iterator[Item]:
    """Ours and each peer once a round, warm; both get the same 50 principal components."""
    reduced = principal_components(x, 50)
    peers = _peers(method, len(x))
    ours = partial(compute_layout, x, method, seed=0)
    ours()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in peers}
    for _ in range(rounds):
        for name, peer in peers.items():
            times[name].append((_seconds(ours), _seconds(partial(peer, reduced))))
    for name, pairs in times.items():
        mine, theirs = (float(np.median([pair[i] for pair in pairs])) for i in (0, 1))
        yield item(
            "layout",
            case,
            "seconds",
            "s",
            mine,
            peer=theirs,
            peer_name=name,
            peer_version=installed(name),
            ratio=float(np.median([b / a for a, b in pairs])),
            threads=2,
        )
    yield item("layout", case, "trustworthiness", "", float(ours().trustworthiness or 0.0))
    for name, peer in peers.items():
        value = trustworthiness(x, peer(reduced))
        yield item("layout", f"{case}-by-{name}", "trustworthiness", "", float(value or 0.0))


def _peers(method: str, n: int) -> Mapping[str, Points]:
    if method == "umap":
        return {"umap-learn": _umap}
    found: dict[str, Points] = {}
    if n <= 10_000:
        found["scikit-learn"] = _sklearn
    if installed("opentsne"):
        found["opentsne"] = _opentsne
    return found


def _sklearn(x: np.ndarray) -> np.ndarray:
    from sklearn.manifold import TSNE

    return np.asarray(TSNE(random_state=0, n_jobs=2).fit_transform(x))


def _opentsne(x: np.ndarray) -> np.ndarray:
    from openTSNE import TSNE

    return np.asarray(TSNE(random_state=0, n_jobs=2, negative_gradient_method="fft").fit(x))


def _umap(x: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from umap import UMAP

        return np.asarray(UMAP(random_state=0, n_jobs=1).fit_transform(x))


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    import sys

    from bench.support.measuring import main

    sys.exit(main("layout"))
