"""Fine-tuning: how far the encoder comes when it may change, with few labels or with all of them."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ssrl_core.compositions.pixels import send
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.errors import SpecError
from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.devices import PixelBank, epoch_order, pick_device
from ssrl_core.learning.embedding import Show, as_float, embed, sized
from ssrl_core.learning.optimizers import Schedule
from ssrl_core.learning.probes.linear import linear_classifier

_BATCH = 64
_FEWEST_STEPS = 100
_LR, _MOMENTUM, _WEIGHT_DECAY = 0.01, 0.9, 1e-4
Rows = NDArray[np.int64]


def fine_tune(
    encoder: Encoder,
    imageset: ImageSet,
    train_ids: Rows,
    query_ids: Rows,
    *,
    share: float,
    epochs: int = 20,
    seed: int = 5,
    device: torch.device | str = "auto",
    report: Callable[[float], None] = lambda share: None,
    show: Show | None = None,
) -> Rows:
    """Predictions of a copy of the encoder that was trained on, with a classifier, on a share of the labels.

    The classifier starts as the linear probe of these images, then everything moves: SGD, momentum 0.9, batches of 64,
    rate 0.01 with a cosine to 0, weight decay 1e-4, images as they are shown; at least 100 steps. The paper (table 7)
    names no settings for it.

    Args:
        encoder: left as it is.
        train_ids: images whose labels may be used; rows without label are left out.
        share: of the labels, in (0, 1]: of each class the images of lowest order, one at least.
        report: told the share of the steps done.
        show: what of an image the network is given (`embedding.showing`); else all of it.

    Returns:
        (n,) int64 class ids of the query images. The same for one seed, device and number of threads.

    Raises:
        SpecError: fewer than two classes among the labels used.

    Source:
        Kumar et al. 2022, arXiv:2202.10054 (linear probe, then fine-tuning).
    """
    place = pick_device(str(device))
    ids = labelled_share(imageset, train_ids, share)
    labels = imageset.label_ids[ids].astype(np.int64)
    tuned = copy.deepcopy(encoder).to(place)
    show = show or (lambda pixels: as_float(pixels, imageset.max_value))
    shown: dict[str, Any] = {"max_value": imageset.max_value, "device": place, "show": show}
    known = embed(tuned, imageset.pixels, ids, **shown)
    classifier = linear_classifier(known, labels, classes=len(imageset.classes), seed=seed).to(place)
    _train(tuned, classifier, imageset, ids, labels, show=show, epochs=epochs, seed=seed, place=place, report=report)
    asked = embed(tuned, imageset.pixels, query_ids, **shown)
    with torch.inference_mode():
        scores: Tensor = classifier(torch.from_numpy(asked).to(place))
    return scores.argmax(dim=1).cpu().numpy()


def labelled_share(imageset: ImageSet, train_ids: Rows, share: float) -> Rows:
    """Of each class the share of lowest order (the same for every run), at least one image; ascending ids.

    Raises:
        SpecError: a share outside (0, 1].
    """
    if not 0 < share <= 1:
        raise SpecError.at("Fine-tuning", "share", "in (0, 1]", share, "Use 1 for all.")
    labels, order = imageset.label_ids[train_ids], imageset.table["order"].to_numpy()[train_ids]
    chosen = [np.empty(0, dtype=np.int64)]
    for label in np.unique(labels[labels >= 0]):
        own = train_ids[labels == label]
        first = own[np.argsort(order[labels == label], kind="stable")]
        chosen.append(first[: max(1, math.ceil(round(share * len(first), 6)))])
    return np.sort(np.concatenate(chosen))


def _train(
    encoder: Encoder,
    classifier: nn.Linear,
    imageset: ImageSet,
    ids: Rows,
    labels: Rows,
    *,
    show: Show,
    epochs: int,
    seed: int,
    place: torch.device,
    report: Callable[[float], None],
) -> None:
    batches = max(1, len(ids) // _BATCH)
    epochs = max(epochs, math.ceil(_FEWEST_STEPS / batches))
    bank, truth = PixelBank(imageset.pixels, ids, place), torch.from_numpy(labels).to(place)
    weights = [*encoder.parameters(), *classifier.parameters()]
    optimizer = torch.optim.SGD(weights, lr=_LR, momentum=_MOMENTUM, weight_decay=_WEIGHT_DECAY)
    schedule = Schedule(_LR, epochs * batches)
    encoder.train()
    for epoch in range(epochs):
        parts = np.array_split(epoch_order(len(ids), seed=seed, epoch=epoch), batches)
        for number, rows in enumerate(part for part in parts if len(part) > 1):  # batch norm needs two
            optimizer.param_groups[0]["lr"] = schedule.lr(epoch * batches + number)
            images = sized(encoder, show(bank.batch(rows)))
            chosen = truth[send(rows, place, torch.int64)]
            loss = functional.cross_entropy(classifier(encoder(images)), chosen)
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimizer.step()
        report((epoch + 1) / epochs)
    encoder.eval()
