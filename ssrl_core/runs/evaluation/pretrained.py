"""Embeddings by networks that were not trained here: ImageNet weights, or a run of this store."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ssrl_core.errors import RunError
from ssrl_core.runs.folder.run_folder import RunFolder

if TYPE_CHECKING:
    from ssrl_core.datasets.imageset import ImageSet

SMALLEST_PX = 64
IMAGENET_MEAN, IMAGENET_SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def imagenet_embedding(
    imageset: ImageSet, ids: NDArray[np.int64], backbone: str, report: Callable[[int, int], None] | None = None
) -> NDArray[np.float32]:
    """Embeddings of images by a backbone with ImageNet weights, never trained on them.

    Images smaller than 64 px are enlarged to 64 (at 32 px the last maps of VGG and ResNet would be one pixel). Three
    channels are normalised as the weights expect; other numbers of channels by their own mean.

    Args:
        ids: (n,) which images.
        backbone: a row of `BACKBONES` with ImageNet weights.

    Returns:
        (n, D) float32.

    Raises:
        SpecError: the weights are not here; names the file and where to lay it.
    """
    from ssrl_core.learning.backbones import build
    from ssrl_core.learning.devices import pick_device
    from ssrl_core.learning.embedding import embed

    channels = imageset.shape[0]
    count = channels if channels == 3 else 1
    mean, sd = IMAGENET_MEAN[:count] * (channels // count), IMAGENET_SD[:count] * (channels // count)
    side = max(SMALLEST_PX, *imageset.shape[1:])
    encoder = build(backbone, channels=channels, side=side, weights="imagenet", mean=mean, sd=sd, seed=0)
    device = pick_device("auto")
    batch = 16 if device.type == "cpu" else 128  # on a processor 128 take half a minute without a sign
    return embed(
        encoder, imageset.pixels, ids, max_value=imageset.max_value, device=device, batch_size=batch, report=report
    )


def run_embedding(run_id: str, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """(n, D) rows of a run's stored embedding.

    Raises:
        RunError: the run has kept none of these images.
    """
    x, known = RunFolder(run_id).embedding()
    if not np.isin(ids, known).all():
        raise RunError(
            f"Run {run_id} keeps embeddings of {len(known)} images, not of all that are asked for. "
            "Ask for the test split, or train it with keep: {embedding: all}.",
            where=run_id,
        )
    return np.asarray(x[np.searchsorted(known, ids)])
