"""What the calibration compares, case by case: what a trained network keeps, and what was forecast of it."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench.calibration.cases import Case
from ssrl_core.analysis.clusters import kmeans
from ssrl_core.analysis.scores import ami
from ssrl_core.datasets import store
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.errors import RunError
from ssrl_core.forecast.kept import chosen_images
from ssrl_core.forecast.reading import Targets, read_targets, targets_of
from ssrl_core.forecast.setting import directions, icc
from ssrl_core.learning.checkpoint import read_checkpoint
from ssrl_core.learning.closed_form import solve
from ssrl_core.learning.features import Bank
from ssrl_core.learning.solving import bank_for, features_of, moments_of, view_batches
from ssrl_core.learning.training import Training
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.specs.composition import Composition, load
from ssrl_core.specs.run import Term

Array = NDArray[Any]
Row = dict[str, Any]

MUS, DIMS, POWERS = (0.001, 0.01, 0.1, 1.0), (16, 32, 64), (0.0, 1.0, 2.0)
BANKS = ("random", "patches")
PIXELS = "pixels"
IMAGES, VIEWS, SEED = 1000, 8, 5
_PIXEL_SIDE = 16
_FEW, _FEW_VIEWS = 128, 4  # images and views that LPIPS and ICC are measured on
_MOST = 4000  # images that a trained network is read on, of either kind


def trained_row(case: Case, run_id: str) -> Row:
    """AMI, descriptors, class accuracies of a trained network, and whether it has learnt: views beside references.

    `halves`: the same numbers of either half of the test images, to tell what is chance in them; `head`: those of what
    the loss is asked of, after the projector.
    """
    run = RunFolder.own(run_id)
    spec, results = run.spec(), run.results()
    imageset = store.load(case.images.name)
    x, ids = run.embedding()
    split = {name: np.intersect1d(imageset.split_ids(name), ids) for name in ("train", "test")}
    if case.images.asked:
        split = {"train": ids[: -case.images.asked], "test": ids[-case.images.asked :]}
    fit, ask = (_some(some, _MOST) for some in split.values())
    here, there = (np.asarray(x[np.searchsorted(ids, some)]) for some in (fit, ask))
    names = {"view": results.view} | {n: results.reference(n, of_views=True) for n in (PIXELS, "untrained")}
    targets = _targets(case.images.name, fit.tobytes(), ask.tobytes())
    halves = np.array_split(np.random.default_rng(SEED).permutation(len(ask)), 2)
    return {
        "run": run_id,
        "seed": spec.seed,
        "seconds": round(results.seconds["train"] or 0),
        **_read(imageset, targets, here, there),
        "head": _read(imageset, targets, *_projected(run, imageset, here, there)),
        "halves": [_read(imageset, _of_rows(targets, rows), here, there[rows]) for rows in halves],
        "knn": results.columns()["knn_top1"],
        "views": {name: {"knn": scores.knn, "ami": scores.ami} for name, scores in names.items()},
        "references": {n: {"knn": s.knn, "ami": s.ami} for n in (PIXELS, "untrained") for s in [results.reference(n)]},
    }


def _projected(run: RunFolder, imageset: ImageSet, *embeddings: Array) -> list[Array]:
    """Embeddings (n,D) after the projector that the run was trained with, in evaluation mode."""
    state, _ = read_checkpoint(run.path)
    if state is None:
        raise RunError.at(run.id, "checkpoint", "kept (keep.checkpoint: always)", "missing", "Train it anew.")
    heads = Training(run.spec(), imageset).method.heads
    heads.load_state_dict(state["method"]["heads"])
    with torch.inference_mode():
        return [heads["projector"].eval()(torch.from_numpy(np.array(x))).numpy() for x in embeddings]


def forecast_row(case: Case, *, images: int = IMAGES, views: int = VIEWS) -> Row:
    """What was forecast of a case's composition with every bank, mu, dim and power, and what the other predictors say.

    Returns:
        `readings`: "bank mu dim" -> numbers, of_class; `ami`: "bank mu dim power" -> AMI (the power moves only that);
        `plain`: the bank alone; `icc` by descriptor; `lpips`.
    """
    imageset, composition = store.load(case.images.name), load(case.composition)
    ids = chosen_images(imageset, images, SEED)
    fit, ask = np.sort(ids[: len(ids) // 2]), np.sort(ids[len(ids) // 2 :])
    targets = _targets(case.images.name, fit.tobytes(), ask.tobytes())
    found: Row = {"readings": {}, "ami": {}}
    for name in (*BANKS, PIXELS):
        bank = _bank(name, imageset, fit, case.images.side)
        fixed = case.images.input == "fixed_steps"
        shown = [features_of(imageset, some, composition, bank, fixed=fixed) for some in (fit, ask)]
        moments = moments_of(imageset, fit, [Term(composition)], bank, views=views, seed=SEED)
        for mu in MUS if name in BANKS else (0.01,):
            solution = solve(moments, mu=mu, dim=max(DIMS), power=0)
            made = [solution.embed(x) for x in shown]
            _grid(found, f"{name} {mu:g}", imageset, targets, solution.shares, made[0], made[1])
    found["plain"] = _plain(case, imageset, targets, fit, ask)
    return found | _looked_at(imageset, _some(ask, _FEW), composition)


def _grid(found: Row, key: str, imageset: ImageSet, targets: Targets, shares: Array, fit: Array, ask: Array) -> None:
    """Readings and AMI of every dim and power of one solution."""
    for dim in DIMS if not key.startswith(PIXELS) else (32,):
        taken = directions(dim, len(fit))
        here, there = fit[:, :taken], ask[:, :taken]
        weights = shares[:taken]  # as the forecast reads: directions of share 0 tell nothing
        read = _read(imageset, targets, here * weights, there * weights, clusters=False)
        found["readings"][f"{key} {dim}"] = {name: read[name] for name in ("numbers", "of_class", "accuracy")}
        for power in POWERS:
            found["ami"][f"{key} {dim} {power:g}"] = _ami(targets, there * shares[:taken] ** power)


def _plain(case: Case, imageset: ImageSet, targets: Targets, fit: Array, ask: Array) -> Row:
    """What the default bank keeps of whole images without any steps."""
    from ssrl_core.forecast.kept import prepare

    setting = prepare(imageset, images=len(fit) + len(ask), views=VIEWS, seed=SEED)
    plain = setting.plain([Term(load(case.composition))])
    numbers = {name: reading.value for name, (kind, reading) in plain.readings.items() if kind != "classes"}
    return {
        "numbers": numbers,
        "of_class": _known(plain.taken),
        "ami": plain.clusters["ami"],
    }


def _looked_at(imageset: ImageSet, ids: Array, composition: Composition) -> Row:
    from ssrl_core.compositions.perceptual import missing
    from ssrl_core.library import lpips

    views = [groups[0] for _, groups in view_batches(imageset, ids, Term(composition), 0, views=_FEW_VIEWS, seed=SEED)]
    measured = icc(torch.cat(views, dim=1).cpu().numpy(), imageset)
    distance = None if missing() else lpips(imageset, composition, seed=SEED, limit=_FEW).mean
    return {"icc": measured, "lpips": distance}


def _read(imageset: ImageSet, targets: Targets, here: Array, there: Array, *, clusters: bool = True) -> Row:
    readings, taken = read_targets(here, there, targets, classes=len(imageset.classes), seed=SEED)
    label = next(name for name, (kind, _, _) in targets.items() if kind == "classes")
    return {
        "numbers": {name: reading.value for name, reading in readings.items() if name != label},
        "accuracy": readings[label].value,
        "of_class": _known(taken),
        **({"ami": _ami(targets, there)} if clusters else {}),
    }


def _known(taken: Array) -> list[float | None]:
    """The accuracy of each class; None where no image of it was asked about."""
    return [None if np.isnan(share) else share for share in taken.diagonal().tolist()]


def _of_rows(targets: Targets, rows: Array) -> Targets:
    """The targets of some of the images that are asked about."""
    return {name: (kind, here, there[rows]) for name, (kind, here, there) in targets.items()}


def _ami(targets: Targets, embedding: Array) -> float:
    labels = next(b for kind, _, b in targets.values() if kind == "classes")
    known = labels >= 0
    found = kmeans(embedding, len(np.unique(labels[known])), seed=SEED).ids
    return float(ami(labels[known], found[known]))


def _some(ids: Array, most: int) -> Array:
    """At most so many ids, ascending; not the first, which may be of few classes."""
    return np.sort(np.random.default_rng(SEED).permutation(ids)[:most])


@cache
def _targets(name: str, fit: bytes, ask: bytes) -> Targets:
    here, there = (np.frombuffer(ids, np.int64) for ids in (fit, ask))
    return targets_of(store.load(name), here, there)


def _bank(name: str, imageset: ImageSet, fit: Array, side: int) -> Bank:
    """A feature bank; `pixels` is the view itself at 16 px, as the closed form of raw pixels."""
    if name != PIXELS:
        return bank_for(name, imageset, fit, side, seed=SEED)
    mean, sd = imageset.channel_stats()
    module = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(_PIXEL_SIDE), torch.nn.Flatten())
    size = imageset.shape[0] * _PIXEL_SIDE**2
    return Bank(name, module, size, tuple(mean.tolist()), tuple(np.maximum(sd, 1e-3).tolist()))


def learnt(row: Row) -> bool:
    """Whether a network tells views apart better than raw pixels and than it did before its first step."""
    views = row["views"]
    return all((views["view"]["knn"] or 0) > (views[name]["knn"] or 0) for name in (PIXELS, "untrained"))
