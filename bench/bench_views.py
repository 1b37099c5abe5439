"""Views a second: ours beside solo-learn's pipeline (PIL), kornia and torchvision v2.

Ours includes drawing the parameters and normalising; normalisation is otherwise the first layer of the encoder.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from bench.support import images, memory
from bench.support.cores import two_processes
from bench.support.measuring import Item, Options, installed, item, rate, side_by_side
from bench.support.on_device import views_of
from bench.support.views_peers import MEAN, PEERS, SD, kornia
from ssrl_core.compositions.draws import draw
from ssrl_core.compositions.views import make_views
from ssrl_core.specs.composition import Composition, Step

TITLE = "Views a second beside solo-learn's PIL pipeline, kornia and torchvision v2."
NAME = "views"


def _recipe(name: str, count: int = 1) -> Composition:
    if name == "cells":
        steps = [
            _step("rotation", degrees=360.0),
            _step("affine", degrees=20.0, translate=0.1, shear=10.0),
            _step("color_jitter", brightness=0.4, contrast=0.4, saturation=0.4, hue=0.125),
            _step("resized_crop", scale=[0.5, 1.0]),
        ]
    else:
        steps = [
            _step("resized_crop"),
            _step("color_jitter", p=0.8, brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2),
            _step("grayscale", p=0.2),
        ]
        if name == "full":
            steps += [_step("gaussian_blur", p=0.5), _step("solarize", p=0.2)]
        steps += [_step("horizontal_flip", p=0.5)]
    return Composition.simple(f"bench-{name}", steps, count=count)


def _step(transform: str, *, p: float = 1.0, **settings: Any) -> Step:
    return Step(transform, p, settings=settings)


CASES = {
    "cifar-32-crop-flip-jitter-grey": (images.cifar_32, "basic"),
    "cifar-32-with-blur-solarize": (images.cifar_32, "full"),
    "cells-196-rotation-affine-jitter-crop": (images.cells_196, "cells"),
}


MEMORY = {"cifar-32-memory": ("full", 2048), "cells-196-memory": ("cells", 128)}
"""Recipe and number of images; so many that what a process needs anyhow does not count."""


def pictures_of(recipe: str) -> images.Pictures:
    """The pictures that a recipe is measured on."""
    return images.cells_196() if recipe == "cells" else images.cifar_32()


def ours(pixels: Any, recipe: str, *, normalise: bool = True) -> Callable[[], int]:
    """Makes one view of every image, with new draws each time."""
    composition, epoch = _recipe(recipe), 0
    source, ids = torch.from_numpy(pixels), np.arange(len(pixels))
    mean, sd = (torch.tensor(v).view(1, 1, 3, 1, 1) for v in (MEAN, SD))

    def work() -> int:
        nonlocal epoch
        epoch += 1
        (views,) = make_views(source, draw(composition, ids, seed=5, epoch=epoch), composition, max_value=255)
        if normalise:
            views.sub_(mean).div_(sd)
        return len(pixels)

    return work


def measure(options: Options) -> Iterator[Item]:
    """The cases beside each peer, then both cores, a preview, memory beside each peer, and the first call."""
    if options.device != "cpu":
        yield from on_device(options)
        return
    threads = torch.get_num_threads()
    for case, (pictures, recipe) in CASES.items():
        if options.wanted(case):
            yield from _beside_peers(case, pictures(), recipe, options)
    for case, (pictures, recipe) in CASES.items():
        if options.wanted(f"{case}-two-threads"):
            yield from _scaling(case, pictures(), recipe, options)
    if options.wanted("cells-196-preview-8-images-8-views"):
        yield _preview(options)
    for case in MEMORY:
        if options.wanted(case):
            yield from _memory(case)
    if options.wanted("cifar-32-first-call"):
        yield from _first_call()
    torch.set_num_threads(threads)


def _beside_peers(case: str, pictures: images.Pictures, recipe: str, options: Options) -> Iterator[Item]:
    torch.set_num_threads(1)
    works = _peers(pictures.pixels, recipe)
    found = side_by_side(ours(pictures.pixels, recipe), works, rounds=options.rounds, seconds=options.seconds)
    for name, compared in found.items():
        yield item(
            NAME,
            case,
            "speed",
            "views/s",
            compared.ours,
            images=pictures.what,
            peer=compared.peer,
            peer_name=name,
            peer_version=installed(PEERS[name][1]),
            ratio=compared.ratio,
        )


def on_device(options: Options, most: int = 4096) -> Iterator[Item]:
    """Views of pixels that lie on a card beside kornia's there, and PIL's on one core, as in a loader's worker."""
    device = torch.device(options.device)
    for case, (pictures, recipe) in CASES.items():
        name = f"{device.type}-{case}"
        if not options.wanted(name):
            continue
        few = pictures().pixels
        pixels = np.resize(few, (min(most, 512 if recipe == "cells" else most), *few.shape[1:]))
        work, peers = views_of(pixels, _recipe(recipe), device), {"pil": PEERS["pil"][0](pixels, recipe, most)}
        if installed("kornia") is None:
            print("kornia is left out: it is not installed (requirements-dev.txt)", file=sys.stderr)
        else:
            peers["kornia"] = kornia(pixels, recipe, device=options.device)
        for peer, compared in side_by_side(work, peers, rounds=options.rounds, seconds=options.seconds).items():
            more: dict[str, Any] = {
                "peer_version": installed(PEERS[peer][1]),
                "peer": compared.peer,
                "ratio": compared.ratio,
            }
            yield item(NAME, name, "speed", "views/s", compared.ours, peer_name=peer, **more)


def _peers(pixels: Any, recipe: str) -> Mapping[str, Callable[[], int]]:
    works = {}
    for name, (make, package) in PEERS.items():
        if installed(package) is None:
            print(f"{name} is left out: {package} is not installed (requirements-dev.txt)", file=sys.stderr)
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            works[name] = make(pixels, recipe)
    return works


def work_of(case: str) -> Callable[[], int]:
    """The work of one of two processes that are measured beside two threads."""
    pictures, recipe = CASES[case]
    return ours(pictures().pixels, recipe, normalise=False)


def _scaling(case: str, pictures: images.Pictures, recipe: str, options: Options) -> Iterator[Item]:
    """Two threads beside one, and beside two processes of one thread each, which is all that the machine can do."""
    work = ours(pictures.pixels, recipe, normalise=False)

    def threaded(count: int) -> Callable[[], int]:
        def run() -> int:
            torch.set_num_threads(count)
            return work()

        return run

    with two_processes("bench.bench_views", case) as processes:
        peers = {"one-thread": threaded(1), "two-processes": processes}
        found = side_by_side(threaded(2), peers, rounds=options.rounds, seconds=options.seconds)
    for name, compared in found.items():
        more = {"peer": compared.peer, "peer_name": name, "ratio": compared.ratio, "threads": 2}
        yield item(NAME, f"{case}-two-threads", "speed", "views/s", compared.ours, images=pictures.what, **more)


def _preview(options: Options) -> Item:
    """8 images × 8 views at 196 px on two threads, draws included: the median time."""
    pictures = images.cells_196(8)
    composition = _recipe("cells", 8)
    source, ids = torch.from_numpy(pictures.pixels), np.arange(8)
    torch.set_num_threads(2)

    def once() -> int:
        make_views(source, draw(composition, ids, seed=5, epoch=0), composition, max_value=255)
        return 1

    once()
    times = sorted(1000 / rate(once, options.seconds / 4) for _ in range(4 * options.rounds))
    case = "cells-196-preview-8-images-8-views"
    return item(NAME, case, "time", "ms", times[len(times) // 2], images=pictures.what, threads=2)


def _memory(case: str) -> Iterator[Item]:
    """The highest memory while one view of each image is made, in sizes of a view, the finished view counted."""
    if not memory.can_measure():
        print(f"{case} is left out: this system does not tell it", file=sys.stderr)
        return
    recipe, count = MEMORY[case]
    what, own = pictures_of(recipe).what, memory.of_views("ours", recipe, count)
    for name, (_, package) in PEERS.items():
        if installed(package) is not None:
            peer = memory.of_views(name, recipe, count)
            more = {"peer": peer, "peer_name": name, "peer_version": installed(package), "ratio": peer / own}
            yield item(NAME, case, "memory", "views", own, images=what, **more)


_FIRST = """
import time
import numpy as np, torch
from bench.bench_views import _recipe
from ssrl_core import stores
from ssrl_core.compositions.draws import draw
from ssrl_core.compositions.views import make_views
stores.prepare_caches()
made = _recipe("full")
pixels = torch.zeros(8, 3, 32, 32, dtype=torch.uint8)
start = time.perf_counter()
make_views(pixels, draw(made, np.arange(8), seed=5, epoch=0), made, max_value=255)
print(time.perf_counter() - start)
"""


def _first_call() -> Iterator[Item]:
    """The first call of a process: with nothing compiled yet, and with the compiled code of an earlier process."""
    import os

    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
        for case in ("cifar-32-first-call-compiling", "cifar-32-first-call-cached"):
            start = time.perf_counter()
            done = subprocess.run([sys.executable, "-c", _FIRST], env=environment, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"first call failed after {time.perf_counter() - start:.0f} s: {done.stderr[-500:]}")
            yield item(NAME, case, "time", "s", float(done.stdout.split()[-1]))


if __name__ == "__main__":
    from bench.support.measuring import main

    raise SystemExit(main(NAME))
