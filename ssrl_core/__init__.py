"""Viewloom's library: choose the image transformations of self-supervised training, see what a network then encodes.

    import ssrl_core as vl

    images = vl.import_images("photos/", "photos")        vl.load("digits")      vl.datasets()
    composition = vl.composition("mnist-first-set")       vl.views(images, composition)
    vl.lpips(images, composition)                         vl.forecast(images, composition)
    found = vl.search(images, {"classes": "keep", "exposure": "ignore"})          found.front
    run = vl.train({"dataset": images, "method": "spectral", "terms": composition})
    run.clusters(10)   run.nearest(10)   run.map()        vl.run(ID)   vl.runs()   vl.sweep(SPEC)
    run.screen()       vl.screen("profiles.csv")          of wells and compounds: scores corrected for plates

Each is a function of `ssrl_core.library`, loaded when first used: `import ssrl_core` leaves torch, umap and lpips
alone. `datasets`, `forecast` and `runs` are rooms of the library too; called, they are those functions.
"""

from __future__ import annotations

import importlib
import os
import sys
from inspect import Signature, signature
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ssrl_core.library import (
        by_example,
        composition,
        costs,
        datasets,
        forecast,
        import_images,
        load,
        lpips,
        run,
        runs,
        screen,
        search,
        sweep,
        train,
        views,
    )
    from ssrl_core.library.images import Views
    from ssrl_core.library.run_objects import Run, Runs, Sweep

__version__ = "0.2.0"
__all__ = [
    "Run",
    "Runs",
    "Sweep",
    "Views",
    "by_example",
    "composition",
    "costs",
    "datasets",
    "forecast",
    "import_images",
    "load",
    "lpips",
    "run",
    "runs",
    "screen",
    "search",
    "sweep",
    "train",
    "views",
]

_ROOMS = ("datasets", "forecast", "runs")  # names of a package and of a function
_CLASSES = {"Run": "run_objects", "Runs": "run_objects", "Sweep": "run_objects", "Views": "images"}

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # torch asks Linux for large pages: fewer faults for every new batch
# Threads that wait for each other sleep. As they come they spin: beside any other work on the same cores that took
# half of every training and two thirds of a forecast (docs/log.md).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")


def __getattr__(name: str) -> Any:
    """A function or a class of the front door."""
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _CLASSES:
        return getattr(importlib.import_module(f"{__name__}.library.{_CLASSES[name]}"), name)
    if name in __all__:
        return _function(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _function(name: str) -> Any:
    return getattr(importlib.import_module(f"{__name__}.library"), name)


class _Room(ModuleType):
    """A package that can be called: it is then the function of its name in `ssrl_core.library`."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        return _function(self.__name__.rpartition(".")[2])(*args, **options)

    @property
    def __signature__(self) -> Signature:
        return signature(_function(self.__name__.rpartition(".")[2]))


class _FrontDoor(ModuleType):
    """This module; it makes rooms callable as the import system hangs them here."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _ROOMS and type(value) is ModuleType:
            value.__class__ = _Room
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _FrontDoor
