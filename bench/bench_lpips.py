"""LPIPS of all pairs of views: ours beside the `lpips` package, pair by pair and batched."""

from __future__ import annotations

import itertools
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.support import images
from bench.support.measuring import Item, Options, installed, item, side_by_side
from ssrl_core import stores
from ssrl_core.compositions import perceptual
from ssrl_core.compositions.draws import draw
from ssrl_core.compositions.lpips import NETWORKS
from ssrl_core.compositions.views import make_views
from ssrl_core.specs.composition import load

TITLE = "LPIPS of all pairs among the views of an image, beside the lpips package."
NAME = "lpips"
IMAGES, VIEWS = 16, 8


def package(net: str) -> Any:
    """The package's own model with the same features."""
    import lpips

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    for i, stage in enumerate(perceptual.network(net, torch.device("cpu")).stages, 1):
        getattr(model.net, f"slice{i}").load_state_dict(stage.state_dict())
    return model


def _views(pictures: images.Pictures) -> torch.Tensor:
    """(V, B, 3, S, S) views of a composition."""
    from dataclasses import replace

    made = load("cifar-base")
    made = replace(made, views=(replace(made.views[0], count=VIEWS, size=None),))
    source = torch.from_numpy(np.ascontiguousarray(pictures.pixels[:IMAGES]))
    return make_views(source, draw(made, np.arange(IMAGES), seed=5, epoch=0), made, max_value=255)[0]


def theirs(model: Any, views: torch.Tensor) -> Callable[[], int]:
    """All pairs of all images, the images of a pair of views as one batch."""
    pairs = list(itertools.combinations(range(len(views)), 2))
    large = torch.stack([perceptual.prepared(view) for view in views])

    @torch.inference_mode()
    def work() -> int:
        for i, j in pairs:
            model(2 * large[i] - 1, 2 * large[j] - 1)
        return len(pairs) * views.shape[1]

    return work


def measure(options: Options) -> Iterator[Item]:
    """Alex at both sizes, VGG at the small one."""
    _lay_weights()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    cases = (("alex", 32, images.cifar_32), ("alex", 196, images.cells_196), ("vgg", 32, images.cifar_32))
    for net, side, pictures in cases:
        case = f"{'cifar' if side == 32 else 'cells'}-{side}-{net}-16-images-8-views"
        if not options.wanted(case):
            continue
        if why := perceptual.missing(net):
            raise SystemExit(why)
        shown = pictures(IMAGES)
        views = _views(shown)
        pairs = IMAGES * VIEWS * (VIEWS - 1) // 2

        def ours(views: torch.Tensor = views, net: str = net, pairs: int = pairs) -> int:
            perceptual.pairwise(views, net=net)
            return pairs

        found = side_by_side(
            ours, {"lpips": theirs(package(net), views)}, rounds=options.rounds, seconds=options.seconds
        )["lpips"]
        more = {"peer": found.peer, "peer_name": "lpips", "peer_version": installed("lpips"), "ratio": found.ratio}
        yield item(NAME, case, "speed", "pairs/s", found.ours, images=shown.what, **more)
    torch.set_num_threads(threads)


def _lay_weights() -> None:
    """The features from `SSRL_SHARED`, where the store has none."""
    for net in ("alex", "vgg"):
        if perceptual.missing(net):
            name = NETWORKS[net].files[0]
            file = images.shared(f"data/weights/{name}")
            if file is not None:
                shutil.copy(file, Path(stores.weights_root()) / name)


if __name__ == "__main__":
    from bench.support.measuring import main

    raise SystemExit(main(NAME))
