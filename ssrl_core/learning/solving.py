"""From images and compositions to the closed form: views, features, moments, and the encoder that a solution is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ssrl_core.compositions.draws import draw, fixed_steps
from ssrl_core.compositions.pairs import partners
from ssrl_core.compositions.views import make_views
from ssrl_core.compositions.views import view_side as group_side
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.learning import features
from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.backbones.solved import PREFIX, Solved
from ssrl_core.learning.closed_form import Covariances, Moments, Solution, pairing, solve, weighted
from ssrl_core.learning.embedding import as_float, at_side
from ssrl_core.learning.features import Bank
from ssrl_core.specs.composition import Composition
from ssrl_core.specs.run import RunSpec, Term

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]
Report = Callable[[float], None]
_VALUES = 1 << 24  # of the views of one batch
_AT_ONCE = 64  # images of a batch on a processor, where larger ones save nothing and are stopped later
_LEARNT_FROM = 1000  # images that a bank may learn from


def bank_for(name: str, imageset: ImageSet, image_ids: Ids, side: int, *, seed: int) -> Bank:
    """A feature bank for an image set.

    Args:
        name: as in `specs.backbones`.
        image_ids: images it may learn from (`patches`); no others are looked at.
        side: of the views, px.

    Raises:
        SpecError: an unknown bank, missing weights.
    """
    mean, sd = imageset.channel_stats()
    some = image_ids[:_LEARNT_FROM] if name == "patches" else image_ids[:1]
    images = as_float(torch.from_numpy(imageset.take(some)), imageset.max_value)
    return features.build(name, at_side(images, side), seed=seed, mean=mean.tolist(), sd=np.maximum(sd, 1e-3).tolist())


def moments_of(
    imageset: ImageSet,
    image_ids: Ids,
    terms: Sequence[Term],
    bank: Bank,
    *,
    views: int,
    seed: int,
    device: torch.device | str = "cpu",
    report: Report | None = None,
) -> Moments:
    """What the views of some images have in common, over all terms by their weights.

    Args:
        image_ids: (n,) which images.
        terms: compositions and weights.
        views: of each image for each term.
        seed: of the draws (epoch 0).
        report: told the share done, 0..1; what it raises ends the work.
    """
    found = []
    for number, term in enumerate(terms):
        covariances = Covariances(bank.dim, pairing(term.composition, views))
        done = 0
        for ids, groups in view_batches(imageset, image_ids, term, number, views=views, seed=seed, device=device):
            covariances.add([features_of_views(bank, group) for group in groups])
            done += len(ids)
            if report is not None:
                report((number + done / len(image_ids)) / len(terms))
        found.append((term.weight, covariances.moments()))
    return weighted([(weight, moments) for weight, moments in found if weight > 0])


def solve_run(
    spec: RunSpec,
    imageset: ImageSet,
    *,
    report: Report | None = None,
    device: torch.device | str = "cpu",
) -> Encoder:
    """The encoder of `method: spectral`, on the CPU, in evaluation mode.

    Args:
        spec: of a solved run; its train images are looked at, at most `limit_train`.
        imageset: as the run sees it.
        report: told the share done, 0..1; what it raises ends the work.

    Raises:
        SpecError: fewer than two train images, missing weights.
        DataError: images that are all the same.
    """
    ids = imageset.split_ids("train", limit_train=spec.limit_train)
    method, side = spec.method, group_side(spec.terms[0].composition.views[0], imageset.shape[1:])
    bank = bank_for(method["bank"], imageset, ids, side, seed=spec.seed)
    moments = moments_of(
        imageset, ids, spec.terms, bank, views=method["views"], seed=spec.seed, device=device, report=report
    )
    found = solve(moments, mu=method["mu"], dim=method["dim"], power=method["power"])
    return encoder_of(bank, found, imageset.shape[0], side)


def bank_alone(spec: RunSpec, imageset: ImageSet) -> Encoder:
    """The reference beside a solved network: all features of its bank, nothing solved for."""
    ids = imageset.split_ids("train", limit_train=spec.limit_train)
    side = group_side(spec.terms[0].composition.views[0], imageset.shape[1:])
    bank = bank_for(spec.method["bank"], imageset, ids, side, seed=spec.seed)
    return _encoder(bank, bank.module, bank.dim, imageset.shape[0], side)


def encoder_of(bank: Bank, solution: Solution, channels: int, side: int) -> Encoder:
    """A bank and the map solved for it as one encoder."""
    dim = solution.weight.shape[1]
    with torch.random.fork_rng(devices=[]):
        body = Solved(bank.module.cpu(), bank.dim, dim)
    with torch.no_grad():
        body.map.weight.copy_(torch.from_numpy(np.ascontiguousarray(solution.weight.T)))
        body.map.bias.copy_(torch.from_numpy(-solution.mean @ solution.weight))
    return _encoder(bank, body, dim, channels, side)


def _encoder(bank: Bank, body: torch.nn.Module, dim: int, channels: int, side: int) -> Encoder:
    shape: dict[str, Any] = {"dim": dim, "channels": channels, "side": side, "stem": "standard"}
    made = Encoder(body, name=PREFIX + bank.name, mean=bank.mean, sd=bank.sd, **shape)
    return made.eval().requires_grad_(False)


def view_batches(
    imageset: ImageSet,
    image_ids: Ids,
    term: Term,
    number: int,
    *,
    views: int,
    seed: int,
    device: torch.device | str = "cpu",
) -> Iterator[tuple[Ids, list[Tensor]]]:
    """Views of some images, batch by batch: ids (B,), and one (V,B,C,S,S) tensor a view group, V as the pairs need.

    Where different images pair, partners are among `image_ids`.
    """
    counts = pairing(term.composition, views).counts
    groups = [replace(group, count=v) for group, v in zip(term.composition.views, counts, strict=True)]
    many = replace(term.composition, views=tuple(groups))
    pairs = partners(imageset, many, image_ids)
    side = max(group_side(group, imageset.shape[1:]) for group in groups)
    step = max(1, _VALUES // (sum(counts) * imageset.shape[0] * side * side))
    step = min(step, _AT_ONCE) if torch.device(device).type == "cpu" else step
    for start in range(0, len(image_ids), step):
        ids = image_ids[start : start + step]
        drawn = draw(many, ids, seed=seed, epoch=0, term=number, partners=pairs)
        pixels = torch.from_numpy(imageset.take(drawn.needed)).to(device)
        yield ids, make_views(pixels, drawn, many, max_value=imageset.max_value)


def shown(
    imageset: ImageSet, image_ids: Ids, composition: Composition, *, fixed: bool, device: torch.device | str = "cpu"
) -> Iterator[tuple[Ids, Tensor]]:
    """Images as a network is shown them when it embeds: whole, or as the composition's fixed steps leave them.

    Yields:
        (ids (B,), images (B,C,S,S) float in 0..1), S the side of the first view group.
    """
    side = group_side(composition.views[0], imageset.shape[1:])
    step = max(1, _VALUES // max(1, 2 * int(np.prod(imageset.shape))))
    certain = fixed_steps(composition) if fixed else None
    for start in range(0, len(image_ids), step):
        ids = image_ids[start : start + step]
        pixels = torch.from_numpy(imageset.take(ids)).to(device)
        if certain is None:
            yield ids, at_side(as_float(pixels, imageset.max_value), side)
        else:
            drawn = draw(certain, ids, seed=0, epoch=0)
            yield ids, make_views(pixels, drawn, certain, max_value=imageset.max_value)[0][0]


def features_of(
    imageset: ImageSet,
    image_ids: Ids,
    composition: Composition,
    bank: Bank,
    *,
    fixed: bool = False,
    device: torch.device | str = "cpu",
) -> Floats:
    """(n,D) features of images as they are shown; arguments as in `shown`."""
    batches = shown(imageset, image_ids, composition, fixed=fixed, device=device)
    parts = [bank.features(images).cpu().numpy() for _, images in batches]
    return np.concatenate([np.empty((0, bank.dim), np.float32), *parts])


def features_of_views(bank: Bank, group: Tensor) -> NDArray[Any]:
    """(V,B,D) of views (V,B,C,S,S)."""
    return bank.features(group.flatten(0, 1)).cpu().numpy().reshape(*group.shape[:2], -1)
