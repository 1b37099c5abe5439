"""What an item needs before it is run: image sets, and hours from the step time measured on this machine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ssrl_core.paper import solved
from ssrl_core.paper.evidence import Evidence, first_run, run_count
from ssrl_core.runs.worker import estimate as estimates
from ssrl_core.specs.run import RunSpec
from ssrl_core.specs.sweep import SweepSpec

NOT_HERE = "It is not here."
_CIFAR_HOW = "Fetched by torchvision on first use; without a network lay {} into data/downloads."
_CELLS_HOW = (
    "Fetch the images and BBBC021_v1_image.csv of BBBC021v1 (Broad Bioimage Benchmark Collection, Caie et al. 2010; "
    "bbbc.broadinstitute.org/BBBC021) into one folder, cut the cells out once, then take the compound"
)
_CUT = "data cells FOLDER/BBBC021_v1_image.csv --name bbbc021 --size 196"


@dataclass(frozen=True)
class Needed:
    """An image set.

    Attributes:
        images: train images of the paper's experiments, for the cost while the set is not here. side: px.
        classes: what it must have at least, to be checked; () asks for none.
        how: how to obtain it, in words; commands: and what to type then, after `python -m ssrl_core`.
        columns: what its table must have. channels: at least so many.
        fetched: obtained by itself where there is a network.
    """

    name: str
    title: str
    images: int
    side: int
    classes: int
    how: str
    commands: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    channels: int = 1
    fetched: bool = False


def _screen(name: str, title: str, images: int) -> Needed:
    """A compound of BBBC021 with as many untreated cells."""
    take = f"data subset bbbc021 --preset {name} --name bbbc021-{name}"
    return Needed(
        f"bbbc021-{name}", f"BBBC021, {title}", images, 196, 2, _CELLS_HOW, (_CUT, take), ("compound", "dose"), 3
    )


NEEDED: dict[str, Needed] = {
    row.name: row
    for row in (
        Needed(
            "mnist",
            "MNIST",
            52_500,
            32,
            10,
            "Fetched by torchvision on first use; without a network import an .npz of it.",
            ("data import FILE.npz --name mnist",),
            fetched=True,
        ),
        Needed(
            "cifar10",
            "CIFAR-10",
            43_750,
            32,
            10,
            _CIFAR_HOW.format("cifar-10-python.tar.gz"),
            channels=3,
            fetched=True,
        ),
        Needed(
            "cifar100",
            "CIFAR-100",
            43_700,
            32,
            100,
            _CIFAR_HOW.format("cifar-100-python.tar.gz"),
            channels=3,
            fetched=True,
        ),
        Needed(
            "imagenet100",
            "ImageNet100",
            126_689,
            224,
            100,
            "Take the hundred classes of ImageNet100 (Tian et al. 2020) out of ImageNet, which needs an account at "
            "image-net.org, as one folder a class",
            ("data import FOLDER --name imagenet100 --size 224",),
            channels=3,
        ),
        _screen("nocodazole", "nocodazole", 2450),
        _screen("nocodazole-every-dose", "nocodazole at every dose", 2450),
        _screen("taxol", "taxol", 1330),
        _screen("cytochalasin-b", "cytochalasin B", 1610),
        Needed(
            "bbbc021-crops",
            "BBBC021 crops of 68 px",
            1397,
            68,
            2,
            "Single-cell crops of BBBC021 as an .npz with the column moa (mechanism of action)",
            ("data import CELLS.npz --name bbbc021-crops --label moa",),
            ("moa",),
            3,
        ),
        Needed(
            "hundred",
            "A hundred classes",
            8500,
            32,
            100,
            "Stands for CIFAR-100: small photographs of a hundred classes, an .npz of x, label, split and superclass",
            ("data import FILE.npz --name hundred --label label",),
            channels=3,
        ),
        Needed("simulated-cells", "Simulated cells", 1400, 96, 2, "Made on first use."),
        Needed("simulated-nocodazole", "Simulated nocodazole", 2450, 64, 2, "Made on first use."),
        Needed("strokes", "Strokes", 7000, 28, 10, "Made on first use."),
    )
}


def check(name: str) -> dict[str, Any]:
    """Whether an image set is here and has what the experiments need.

    Returns:
        {name, title, ready, fetched, problem, how, commands, has: its images, classes and size in words}.
    """
    from ssrl_core.datasets import builtin
    from ssrl_core.datasets import store as image_sets

    row = NEEDED[name]
    ready = name in image_sets.names() and image_sets.is_ready(name)
    made = name in builtin.BUILT_IN and not builtin.BUILT_IN[name].fetched
    problem = _problem(row) if ready else None if made else NOT_HERE
    return {
        "name": name,
        "title": row.title,
        "ready": (ready or made) and problem is None,
        "fetched": row.fetched,
        "problem": problem,
        "how": _how(row),
        "words": row.how,
        "commands": [f"python -m ssrl_core {command}" for command in row.commands],
        "has": _has(name) if ready else "",
    }


def _how(row: Needed) -> str:
    """How to obtain it, as one text."""
    steps = ", then: ".join((row.how.rstrip("."), *row.commands))
    return f"{steps}."


def _has(name: str) -> str:
    """What an image set holds: `60,000 images, 10 classes, 28 px`."""
    from ssrl_core.datasets import store as image_sets

    about = image_sets.summary(name)
    side = max(about["shape"][1:])
    classes = f", {len(about['classes'])} classes" if about["classes"] else ""
    return f"{about['count']:,} images{classes}, {side} px"


def _problem(row: Needed) -> str | None:
    """What an image set that is here lacks."""
    from ssrl_core.datasets import store as image_sets

    about = image_sets.summary(row.name)
    if len(about["classes"]) < row.classes:
        return f"It has {len(about['classes'])} classes, at least {row.classes} are needed."
    if about["shape"][0] < row.channels:
        return f"It has {about['shape'][0]} channels, at least {row.channels} are needed."
    lacking = [c for c in row.columns if c not in image_sets.load(row.name).table.columns]
    return f"Its table has no column {' and no column '.join(lacking)}." if lacking else None


@dataclass(frozen=True)
class Cost:
    """What a plan costs.

    Attributes:
        runs: in all, hours: on this machine, of all runs one after another.
        gpu_hours: the same on a card: measured where this machine has one, else guessed (`gpu_guessed`).
        measured: runs whose step time was measured in an earlier run of that network on this machine; for the others
            it comes from the table of networks.
    """

    runs: int
    hours: float
    gpu_hours: float
    gpu_guessed: bool
    measured: int = 0

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "runs": self.runs,
            "hours_here": round(self.hours, 3),
            "gpu_hours": round(self.gpu_hours, 3),
            "gpu_guessed": self.gpu_guessed,
            "measured": self.measured,
        }


def cost(evidence: Evidence) -> Cost:
    """The cost of all sweeps of a plan, finished ones too."""
    if evidence.is_solved:
        return _solving(evidence)
    seconds, on_card, measured, every = 0.0, 0.0, 0, 0
    card = estimates.has_gpu()
    for sweep in evidence.specs.values():
        runs, first = run_count(sweep), first_run(sweep)
        one, known = _seconds(first)
        on_card += runs * (one if card else _seconds_on_card(first))
        seconds, measured, every = seconds + runs * one, measured + runs * known, every + runs
    return Cost(every, seconds / 3600, on_card / 3600, not card, measured)


VIEW_S = {"live": 0.00025}
OTHER_VIEW_S, EACH_S = 0.0008, 0.5
"""Seconds of a processor for a view and what a bank says of it, and for the equations and the measurements."""


def _solving(evidence: Evidence) -> Cost:
    """What solving takes; views that compositions share are worked out once."""
    drawn: dict[str, float] = {}
    every = 0
    for sweep in evidence.specs.values():
        spec, runs = first_run(sweep), run_count(sweep)
        images = min(NEEDED[spec.dataset.name].images, spec.limit_train or NEEDED[spec.dataset.name].images)
        one = images * spec.method["views"] * VIEW_S.get(spec.method["bank"], OTHER_VIEW_S) * len(sweep.seeds)
        drawn |= dict.fromkeys(_drawn(sweep), one)
        every += runs
    return Cost(every, (sum(drawn.values()) + EACH_S * every) / 3600, 0.0, False, 0)


def _drawn(sweep: SweepSpec) -> list[str]:
    """What has to be drawn for each seed: a text for each composition, for a chance that varies two."""
    base = json.dumps([sweep.base["dataset"], sweep.base["method"]["bank"], sweep.base["terms"]], default=str)
    if solved.chance_step(sweep):
        return [f"{base} {next(iter(sweep.vary))} {way}" for way in ("with", "without")]
    if "terms" in sweep.vary:
        terms = [term["composition"] for terms in sweep.vary["terms"] for term in terms]
        return [json.dumps([sweep.base["dataset"], one], sort_keys=True, default=str) for one in terms]
    return [f"{base} {path} {value}" for path, values in sweep.vary.items() for value in values]


def _seconds(spec: RunSpec) -> tuple[float, bool]:
    """Seconds of one run of a sweep (its first, as its siblings differ in values that change little of it), and
    whether its step time was measured here."""
    from ssrl_core.datasets import store as image_sets

    name = spec.dataset.name
    if name in image_sets.names() and image_sets.is_ready(name):
        from ssrl_core.runs.folder.run_folder import imageset_of

        found = estimates.estimate(spec, imageset_of(spec))
        return found.seconds, found.measured is not None
    return _from_table(spec), False


def _from_table(spec: RunSpec) -> float:
    """Without the images: the table's speed of the backbone, by area and number of views."""
    images, side = _images_and_side(spec)
    return images * spec.epochs / estimates.from_table(spec, side)


def _seconds_on_card(spec: RunSpec) -> float:
    """Of the training alone, guessed."""
    images, side = _images_and_side(spec)
    return images * spec.epochs / estimates.on_card(spec, side)


def _images_and_side(spec: RunSpec) -> tuple[int, int]:
    """Train images of the paper's experiment, and the side of the views."""
    row = NEEDED[spec.dataset.name]
    return min(row.images, spec.limit_train or row.images), spec.terms[0].composition.views[0].size or row.side
