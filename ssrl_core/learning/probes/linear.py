"""Linear evaluation: a classifier on a frozen embedding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ssrl_core.compositions.pixels import send
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.errors import SpecError
from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.devices import PixelBank, epoch_order, pick_device
from ssrl_core.learning.embedding import Show, as_float, embed, sized
from ssrl_core.learning.optimizers import Schedule

Array = NDArray[Any]
Source = Callable[[NDArray[np.int64]], Tensor]
_BATCH = 256
_LR = 4.0  # for features whose covariance has 1 as its largest eigenvalue; SGD with this momentum is stable below 7.6
_MOMENTUM = 0.9
_FLAT = 1e-6
_WIDE, _ROUNDS = 2048, 30


def linear_probe(
    train: Array,
    train_labels: Array,
    queries: Array,
    *,
    classes: int | None = None,
    epochs: int = 100,
    seed: int = 5,
) -> NDArray[np.int64]:
    """Predictions of a linear classifier that was fitted on cached embeddings (`evaluate.linear.mode: cached`).

    The protocol is that of `linear_probe_through`, with every image embedded once instead of once an epoch: 100 epochs
    of SGD (momentum 0.9, batch 256, cosine from 4.0, no weight decay) on features that are standardised and brought to
    a largest covariance of 1, so that one learning rate serves every backbone. Deterministic for one seed and thread
    count.

    Args:
        train, queries: (M,D), (N,D) embeddings.
        train_labels: (M,) class ids; rows with -1 are left out.
        classes: K; the largest label + 1 where left out.

    Returns:
        (N,) int64 class ids.

    Raises:
        SpecError: fewer than two classes among the train labels.
    """
    x, y, count = _labelled(np.asarray(train), np.asarray(train_labels), classes)
    mean, scale = _standard(torch.from_numpy(x).float())
    features = (torch.from_numpy(x).float() - mean) / scale
    classifier = _fit(
        lambda rows: features[torch.from_numpy(rows)], torch.from_numpy(y), features.shape[1], count, epochs, seed
    )
    return classifier.predict((torch.as_tensor(np.asarray(queries)).float() - mean) / scale)


def linear_probe_through(
    encoder: Encoder,
    imageset: ImageSet,
    train_ids: NDArray[np.int64],
    query_ids: NDArray[np.int64],
    *,
    epochs: int = 100,
    seed: int = 5,
    device: torch.device | str = "auto",
    show: Show | None = None,
) -> NDArray[np.int64]:
    """The paper's protocol (`evaluate.linear.mode: paper`): images go through the frozen encoder in every epoch.

    The paper says "freezing the weights of the encoder and training a classifier for 100 epochs" and names no
    transformations for it; images are taken as they are.

    Args:
        show: what of an image the network is given (`embedding.showing`); else all of it.

    Returns:
        Predictions for the query images, (n,) int64.

    Raises:
        SpecError: fewer than two classes among the train labels.
    """
    place = pick_device(str(device))
    encoder.eval().to(place)
    ids, y, count = _labelled(np.asarray(train_ids), imageset.label_ids[train_ids], len(imageset.classes))
    show = show or (lambda pixels: as_float(pixels, imageset.max_value))
    shown: dict[str, Any] = {"max_value": imageset.max_value, "device": place, "show": show}
    known = embed(encoder, imageset.pixels, ids, **shown)
    mean, scale = (v.to(place) for v in _standard(torch.from_numpy(known)))
    bank = PixelBank(imageset.pixels, ids, place)

    @torch.inference_mode()
    def features(rows: NDArray[np.int64]) -> Tensor:
        embedding: Tensor = encoder(sized(encoder, show(bank.batch(rows))))
        return (embedding - mean) / scale

    classifier = _fit(features, torch.from_numpy(y).to(place), encoder.dim, count, epochs, seed)
    asked = embed(encoder, imageset.pixels, query_ids, **shown)
    return classifier.predict((torch.from_numpy(asked).to(place) - mean) / scale)


def linear_classifier(
    train: Array, train_labels: Array, *, classes: int, epochs: int = 100, seed: int = 5
) -> nn.Linear:
    """The classifier of `linear_probe` as one layer on plain embeddings (M,D): (N,D) to (N,classes) scores."""
    x, y, count = _labelled(np.asarray(train), np.asarray(train_labels), classes)
    mean, scale = _standard(torch.from_numpy(x).float())
    features = (torch.from_numpy(x).float() - mean) / scale
    fitted = _fit(lambda rows: features[torch.from_numpy(rows)], torch.from_numpy(y), len(mean), count, epochs, seed)
    layer = nn.Linear(len(mean), count)
    with torch.no_grad():
        weight = fitted.weight[:-1] / scale[:, None]
        layer.weight.copy_(weight.T)
        layer.bias.copy_(fitted.weight[-1] - mean @ weight)
    return layer


class _Classifier:
    """Softmax regression, its gradient written out: a step is four small products."""

    def __init__(self, dim: int, classes: int, device: torch.device) -> None:
        self.weight = torch.zeros(dim + 1, classes, device=device)
        self.speed = torch.zeros_like(self.weight)

    def step(self, x: Tensor, y: Tensor, lr: float) -> None:
        x = _with_one(x)
        wrong = (x @ self.weight).softmax(dim=1)
        wrong[torch.arange(len(y), device=y.device), y] -= 1
        self.speed.mul_(_MOMENTUM).add_(x.T @ wrong, alpha=1 / len(y))
        self.weight.sub_(self.speed, alpha=lr)

    def predict(self, x: Tensor) -> NDArray[np.int64]:
        return (_with_one(x) @ self.weight).argmax(dim=1).cpu().numpy()


def _fit(source: Source, labels: Tensor, dim: int, classes: int, epochs: int, seed: int) -> _Classifier:
    count = len(labels)
    batches = max(1, count // _BATCH)
    classifier = _Classifier(dim, classes, labels.device)
    schedule = Schedule(_LR, epochs * batches)
    for epoch in range(epochs):
        order = epoch_order(count, seed=seed, epoch=epoch)
        for place, rows in enumerate(np.array_split(order, batches)):
            chosen = labels[send(rows, labels.device, torch.int64)]
            classifier.step(source(rows), chosen, schedule.lr(epoch * batches + place))
    return classifier


def _standard(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean, and sd times the root of the largest eigenvalue of the correlations: what brings that eigenvalue to 1."""
    mean, sd = x.mean(dim=0), x.std(dim=0, unbiased=False)
    sd = torch.where(sd > _FLAT, sd, torch.ones_like(sd))
    standard = (x - mean) / sd
    return mean, sd * _largest(standard).clamp(min=_FLAT).sqrt()


def _largest(standard: Tensor) -> Tensor:
    """The largest eigenvalue of the correlations; of pixels, which are many, by power iteration: it scales steps."""
    if standard.shape[1] <= _WIDE:
        found: Tensor = torch.linalg.eigvalsh(standard.T @ standard / len(standard))[-1]
        return found
    direction: Tensor = standard.square().sum(dim=0)
    for _ in range(_ROUNDS):
        direction = standard.T @ (standard @ (direction / direction.norm().clamp(min=_FLAT))) / len(standard)
    found = direction.norm()
    return found


def _with_one(x: Tensor) -> Tensor:
    return torch.cat([x, torch.ones(len(x), 1, device=x.device)], dim=1)


def _labelled(rows: Array, labels: Array, classes: int | None) -> tuple[Array, NDArray[np.int64], int]:
    known = labels >= 0
    found = np.unique(labels[known])
    if len(found) < 2:
        raise SpecError.at(
            "Linear probe",
            "labels",
            "of at least two classes among the train images",
            f"{len(found)} classes",
            "Choose another label column, or leave evaluate.linear out.",
        )
    return rows[known], labels[known].astype(np.int64), max(classes or 0, int(found.max()) + 1)
