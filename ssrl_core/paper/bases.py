"""The run specs that the paper's experiments start from, at full size and as rehearsals for a CPU; plain data.

Settings: sections 3.1 to 3.4 and appendices A and B. Where the text is silent or in conflict with itself, the item says
what was read into it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from ssrl_core.analysis.scores import mean_sd
from ssrl_core.paper.evidence import Evidence, column
from ssrl_core.paper.item import Contrast, Row, contrast, published
from ssrl_core.specs.composition import load

Settings = dict[str, Any]

SOLVED_SAYS = (
    "Solved, not trained: the solution of the linearised problem on random features ({}; mu 0.1, 64 directions, as the "
    "forecast; seeds are those of the feature bank and of the draws). It knows no network, no method and no length of "
    "training."
)
SOLVED_MNIST = "three views each of 4,000 train images, measured on the 10,000 test images"
SOLVED_PHOTO = "two views each of at most 5,000 train images, linear evaluation of 30 epochs"
VALUES_SAYS = " Twenty values of each parameter (section 3.1) and five seeds."
HUNDRED_SAYS = (
    " A set of a hundred classes stands for CIFAR-100 (image set “hundred”). Where the chance of one step varies, "
    "views with it and views without it serve all values."
)
MU_SAYS = (
    " The closed form has no methods: what differs between them is only the ridge mu. Of the trained networks of "
    "docs/results/forecast.md, SimCLR agrees best with 0.01 (the spectral contrastive optimum) and VICReg with 0.1 and "
    "1; 10 stands for linearised Barlow Twins, by theory alone. Other methods have no mu of their own, and whether "
    "trained networks of different methods agree the closed form cannot say."
)
BANKS_SAYS = (
    " Two feature banks stand in the place of networks: random convolutions and random patches of the images. Methods "
    "are no part of a closed form."
)
SOLVED_CELL = "two views each of all train images, four where these are only hundreds"
IN_FULL_SAYS = (
    "Beside the paper's cells the same network and settings for 100 epochs and three seeds on simulated ones of 64 px, "
    "whose response and number of neighbours are known, and untrained networks that are shown the same."
)
ON_SIMULATED = " on simulated nocodazole"
NO_CELL_LABELS = "BBBC021 has no label of a single cell: look at its clusters on the Clusters page."
SOLVED_BANKS = ("random", "patches")
SOLVED_PHOTOS = ("cifar10", "hundred")
SOLVED_MOST, SOLVED_EPOCHS = 5000, 30
SOLVED_MU = (0.01, 0.1, 10.0)
"""Ridges from the spectral contrastive optimum (small) to linearised Barlow Twins (large); trained networks lie
between (`MU_SAYS`), and nearest to 0.1 of those that were tried (docs/results/forecast.md)."""
SEEDS = [5, 6, 7, 8, 9]
CIFAR_METHODS = ("barlow_twins", "byol", "moco_v2_plus", "simclr", "vicreg")
CIFAR_RATES = {  # base rates of solo-learn for CIFAR; the text does not say whether they are scaled by batch / 256
    "barlow_twins": (0.3, 1e-4),
    "byol": (1.0, 1e-5),
    "deepcluster_v2": (0.6, 1e-6),
    "moco_v2_plus": (0.3, 1e-4),
    "nnbyol": (1.0, 1e-5),
    "nnclr": (0.4, 1e-5),
    "ressl": (0.05, 1e-4),
    "simclr": (0.4, 1e-5),
    "simsiam": (0.5, 1e-5),
    "swav": (0.6, 1e-6),
    "vibcreg": (0.3, 1e-4),
    "vicreg": (0.3, 1e-4),
}
HUE = "terms.0.composition.steps.color_jitter.hue"
JITTER_P = "terms.0.composition.steps.color_jitter.p"
CROP = "terms.0.composition.steps.resized_crop.scale"
FLIP_P = "terms.0.composition.steps.horizontal_flip.p"
FIRST, SECOND = "mnist-first-set", "mnist-second-set"
LEFT, RIGHT = "cells-figure6-left", "cells-figure6-right"
MNIST_PX, CIFAR_PX, CELLS_PX = 16, 16, 32
"""Sides of the views of the rehearsals: on a CPU a quarter of the pixels buys four times the training."""

_ADAM = {"name": "adam", "lr": 0.001, "weight_decay": 0.0001}
_QUICK_ADAM = {"name": "adam", "lr": 0.002, "weight_decay": 0.0001}
_MOCO = {"name": "moco_v2_plus", "projection_dim": 128, "temperature": 0.07, "queue_size": 1024}
_SMALL_MOCO = {**_MOCO, "hidden_dim": 256}
_NO_EXTRAS = {"layouts": [], "online_every_epochs": 0}


def mnist(**changes: Any) -> Settings:
    """MNIST as in appendix B.2: VGG11, MoCo v2+, 250 epochs of batches of 32, Adam."""
    base = {
        "dataset": "mnist",
        "backbone": "vgg11",
        "method": _MOCO,
        "terms": [{"composition": FIRST}],
        "optimizer": _ADAM,
        "batch_size": 32,
        "epochs": 250,
        "evaluate": {"clusters": [10], "layouts": []},
        "seeds": SEEDS,
    }
    return base | changes


def small_mnist(**changes: Any) -> Settings:
    """The rehearsal: tiny CNN, views of 16 px, 4,000 images, 30 epochs."""
    small = {
        "backbone": "tiny_cnn",
        "method": _SMALL_MOCO,
        "terms": [{"composition": at_side(FIRST, MNIST_PX)}],
        "optimizer": _QUICK_ADAM,
        "batch_size": 128,
        "epochs": 30,
        "limit_train": 4000,
        "evaluate": {"clusters": [10], **_NO_EXTRAS},
    }
    return mnist(**small | changes)


def small_byol(**changes: Any) -> Settings:
    """The rehearsal with BYOL, which learns more slowly: 60 epochs, seeds 5 to 7."""
    byol = {"name": "byol", "hidden_dim": 256, "projection_dim": 256, "predictor_dim": 256}
    return small_mnist(method=byol, epochs=60, seeds=[5, 6, 7], **changes)


def solved(settings: Mapping[str, Any], *, mu: float = 0.1, views: int = 4, **changes: Any) -> Settings:
    """The same images, compositions, values and seeds, solved in closed form with the forecast's own settings.

    Network, optimizer and length of training have no place in it.

    Args:
        mu: of the ridge (docs/results/forecast.md: 0.1 agrees best with trained networks). views: of each image.
    """
    kept = {key: settings[key] for key in ("dataset", "terms", "vary", "seeds", "evaluate", "limit_train")
            if key in settings}  # fmt: skip
    return kept | {"method": {"name": "spectral", "mu": mu, "dim": 64, "views": views}} | changes


def solved_mnist(bank: str = "random", **changes: Any) -> Settings:
    """MNIST, solved from three views each of 4,000 train images, measured on the paper's 10,000 test images."""
    made = solved(mnist(), views=3, limit_train=4000, **changes)
    return made | {"method": {**made["method"], "bank": bank}}


def over_banks(item: str) -> dict[str, Mapping[str, Any]]:
    """`ITEM instant BANK`: both sets of MNIST, with every feature bank."""
    return {f"{item} instant {bank}": solved_mnist(bank, vary=over_sets()) for bank in SOLVED_BANKS}


def solved_photos(dataset: str, *, mu: float = 0.1, **changes: Any) -> Settings:
    """Photographs, solved from two views each of the train images (at most 5,000), on the smaller random bank."""
    made = solved(cifar(dataset, "simclr"), mu=mu, views=2, limit_train=SOLVED_MOST, **changes)
    made["evaluate"] = {**made["evaluate"], "linear": {"mode": "cached", "epochs": SOLVED_EPOCHS}}
    return made | {"method": {**made["method"], "bank": "live"}}


def solved_cells(dataset: Any, terms: Sequence[Any], **changes: Any) -> Settings:
    """Cells, solved from all train images: one composition or sum of terms after another.

    Args:
        dataset: its name, or a mapping with `where`. terms: lists of terms.
    """
    views = 2 if dataset == "simulated-nocodazole" else 4  # the other sets are a few hundred cells
    return solved(cells(dataset, terms[0], vary={"terms": list(terms)}), views=views, **changes)


SOLVED_CELLS: dict[str, Any] = {
    "simulated nocodazole": "simulated-nocodazole",
    "simulated taxol": {"name": "simulated-cells", "where": {"compound": ["DMSO", "sim-taxol"]}},
    "simulated cytochalasin B": {"name": "simulated-cells", "where": {"compound": ["DMSO", "sim-cytochalasin-b"]}},
    "BBBC021 destabilizers": {"name": "bbbc021-crops", "where": {"moa": ["DMSO", "Microtubule destabilizers"]}},
    "BBBC021 actin disruptors": {"name": "bbbc021-crops", "where": {"moa": ["DMSO", "Actin disruptors"]}},
    "BBBC021 stabilizers": {"name": "bbbc021-crops", "where": {"moa": ["DMSO", "Microtubule stabilizers"]}},
}
"""Untreated and treated cells of the scale `instant`: simulated ones, and the real crops of a mechanism of action."""
SOLVED_CELLS_NEEDED = ("simulated-nocodazole", "simulated-cells", "bbbc021-crops")
LIKE = {
    "simulated nocodazole": "nocodazole",
    "simulated taxol": "taxol",
    "simulated cytochalasin B": "cytochalasin_b",
    "BBBC021 destabilizers": "nocodazole",
    "BBBC021 actin disruptors": "cytochalasin_b",
    "BBBC021 stabilizers": "taxol",
    "BBBC021 Microtubule destabilizers": "nocodazole",
    "BBBC021 Actin disruptors": "cytochalasin_b",
    "BBBC021 Microtubule stabilizers": "taxol",
}
"""Cells here -> the compound of the paper that acts alike."""
WHOLE, TESTED = ", whole images", ", test images"


def over_cells(item: str, terms: Sequence[Any], *, both_ways: bool) -> dict[str, Mapping[str, Any]]:
    """`ITEM instant SET`: every set of cells under every sum of terms; the real crops, which are few, clustered on
    their train images (k-means sees no labels) and classified on their test images.

    Args:
        both_ways: embedded as the steps without chance leave the images, and (`, whole images`) whole.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for said, dataset in SOLVED_CELLS.items():
        base, real = solved_cells(dataset, terms), said.startswith("BBBC021")
        name = f"{item} instant {said}"
        for sweep, data in (shown_and_whole(name, base) if both_ways else {name: base}).items():
            if real:
                clustered = {"split": "train", "clusters": [2], "linear": None, "layouts": []}
                found[sweep + TESTED] = data
                data = {**data, "evaluate": {**data["evaluate"], **clustered}}
            found[sweep] = data
    return found


def shown_and_whole(name: str, base: Settings) -> dict[str, Mapping[str, Any]]:
    """A sweep with its images as the steps without chance leave them, and (`, whole images`) whole."""
    return {name: as_shown(base), name + WHOLE: base}


def solved_rows(evidence: Evidence, sweep: str, said: str, labels: Sequence[str]) -> list[Row]:
    """AMI of two clusters with the treatment, of four with the response where it is known, what else the clusters
    follow, and top-1 of linear evaluation."""
    known = evidence.results(sweep)
    told = {"ami": f"{said}, AMI with treatment"} | {
        name: f"{said}, {text}"
        for name, text in (
            ("4 response", "AMI with response (K = 4)"),
            ("2 crowded", "AMI with many neighbours (K = 2)"),
            ("4 neighbours", "neighbours explained (K = 4)"),
        )
        if name in known
    }
    rows = [row for name, text in told.items() for row in rows_of(evidence, sweep, text, labels, name)]
    tested = sweep + TESTED if sweep + TESTED in evidence.specs else sweep
    return [*rows, *rows_of(evidence, tested, f"{said}, top-1", labels, "top1")]


def over_sets(names: Sequence[str] = (FIRST, SECOND), side_px: int | None = None) -> Settings:
    """`vary` over compositions, with views of another side for the rehearsals."""
    return {"terms.0.composition": [name if side_px is None else at_side(name, side_px) for name in names]}


def byol_on_mnist() -> Settings:
    """Method and optimizer of BYOL in appendix B.2."""
    method = {"name": "byol", "projection_dim": 256}
    return {"method": method, "optimizer": {"name": "adam", "lr": 0.01, "weight_decay": 1e-5}}


def cifar(dataset: str, method: str, backbone: str = "resnet18", **changes: Any) -> Settings:
    """A sweep's base on CIFAR as in appendix B.1: 1,000 epochs of batches of 512 (vicreg 256), SGD."""
    rate, decay = CIFAR_RATES[method]
    base: Settings = {
        "dataset": dataset,
        "backbone": backbone,
        "method": method,
        "terms": [{"composition": "cifar-base"}],
        "optimizer": {"name": "sgd", "lr": rate, "lr_scaling": "batch256", "weight_decay": decay},
        "batch_size": 256 if method == "vicreg" else 512,
        "epochs": 1000,
        "evaluate": {"clusters": [], "layouts": []},
        "seeds": SEEDS,
    }
    return base | changes


def small_cifar(method: str = "simclr", **changes: Any) -> Settings:
    """The rehearsal on CIFAR-10: tiny CNN, views of 16 px, 12 epochs of 4,370 images, the paper's five seeds."""
    small = {
        "terms": [{"composition": at_side("cifar-base", CIFAR_PX)}],
        "backbone": "tiny_cnn",
        "method": {"name": method, "hidden_dim": 256, "projection_dim": 64} | _predictor(method),
        "optimizer": _QUICK_ADAM,
        "batch_size": 128,
        "epochs": 12,
        "limit_train": 4370,
        "evaluate": {"clusters": [], **_NO_EXTRAS},
    }
    return cifar("cifar10", method) | small | changes


def _predictor(method: str) -> Settings:
    return {"predictor_dim": 256} if method in ("byol", "nnbyol", "nnclr", "simsiam") else {}


def small_hue(method: str) -> Settings:
    """The rehearsals' sweep over hue: the paper's ten values and five seeds, fine-tuned on a tenth of the labels."""
    return small_cifar(method, vary=hue_values(10), evaluate={"clusters": [], "finetune": [0.1], **_NO_EXTRAS})


def hue_values(count: int) -> Settings:
    """`vary` over the maximal hue, [0, 0.5]."""
    return {HUE: {"from": 0.0, "to": 0.5, "count": count}}


def cells(dataset: str, composition: Any, *, backbone: str = "vgg13", **changes: Any) -> Settings:
    """Cells as in appendix B.4: MoCo v2+, 400 epochs of batches of 128, Adam."""
    base: Settings = {
        "dataset": dataset,
        "backbone": backbone,
        "method": _MOCO,
        "terms": composition if isinstance(composition, list) else [{"composition": composition}],
        "optimizer": _ADAM,
        "batch_size": 128,
        "epochs": 400,
        "evaluate": {"clusters": [2, 4], "layouts": []},
        "seeds": SEEDS,
    }
    return base | changes


def simulated(**changes: Any) -> Settings:
    """The rehearsal on simulated cells: as many untreated and treated as the paper had, tiny CNN, 32 px views."""
    small = {
        "backbone": "tiny_cnn",
        "method": _SMALL_MOCO,
        "optimizer": _QUICK_ADAM,
        "epochs": 40,
        "evaluate": {"clusters": [2, 4], **_NO_EXTRAS},
    }
    return cells("simulated-nocodazole", at_side("cells-first-set", CELLS_PX)) | small | changes


def mechanism(name: str, **changes: Any) -> Settings:
    """The rehearsal on the real crops of BBBC021: untreated and one mechanism of action, tiny CNN, 32 px views."""
    small = {
        "dataset": {"name": "bbbc021-crops", "where": {"moa": ["DMSO", name]}},
        "batch_size": 32,
        "method": {**_SMALL_MOCO, "queue_size": 64},
        "epochs": 30,
        "evaluate": {"split": "train", "clusters": [2], **_NO_EXTRAS},
    }
    return simulated(terms=[{"composition": at_side("cells-first-set", CELLS_PX)}]) | small | changes


def simulated_in_full(terms: Sequence[Any]) -> Settings:
    """The paper's network and settings for a quarter of its epochs on simulated cells, of each of which response and
    neighbours are known: one composition or sum of terms after another, images embedded as shown; minutes on a card."""
    vary = {"terms": list(terms)}
    return as_shown(cells("simulated-nocodazole", terms[0], vary=vary, epochs=100, seeds=SEEDS[:3]))


def as_shown(settings: Mapping[str, Any]) -> Settings:
    """The same, with images embedded as the composition's steps without chance leave them: claims of a centre crop."""
    return {**settings, "evaluate": {**settings["evaluate"], "input": "fixed_steps"}}


def untrained(settings: Mapping[str, Any]) -> Settings:
    """The same networks as they are before training, on the same images: what a training adds is beyond them."""
    kept = {key: value for key, value in settings.items() if key not in ("optimizer", "epochs", "batch_size")}
    return kept | {"method": "pretrained"}


UNSOLVED, UNTRAINED = " unsolved", " untrained"
"""End the name of a sweep that is `unsolved`, or `untrained`, of the one before it."""
_WITHOUT_CHANCE = ("center_crop",)


def unsolved(settings: Mapping[str, Any]) -> Settings:
    """The same features of the same images, of whose composition a centre crop alone is left, of all steps of cells the
    one that is not drawn: the views of an image are alike, so that nothing is asked of the features, and what is found
    are their principal components. What solving adds is beyond them."""
    return {**settings, "terms": _without_chance(settings["terms"]), "vary": _without_chance(settings["vary"])}


def _without_chance(data: Any) -> Any:
    if isinstance(data, list):
        return [_without_chance(one) for one in data]
    if not isinstance(data, Mapping):
        return data
    if "composition" in data:
        given = data["composition"]
        made = load(given).to_mapping() if isinstance(given, str) else given
        group = made["views"][0] if "views" in made else {"size": made.get("size"), "steps": made["steps"]}
        steps = [step for step in group["steps"] if step["transform"] in _WITHOUT_CHANCE]
        return {**data, "composition": {"version": 1, "name": made["name"], "size": group["size"], "steps": steps}}
    return {key: _without_chance(value) for key, value in data.items()}


def beyond(
    claim: str,
    evidence: Evidence,
    networks: tuple[str, str],
    labels: tuple[str, str],
    values: Callable[[pd.DataFrame, str], list[float]],
    unit: str,
) -> Contrast:
    """Do two compositions lie further apart under what was trained (or solved) than under what was not, and is shown
    the same?

    Args:
        networks: sweeps of the former and of the latter. labels: the higher and the lower composition.
        values: of the rows of a sweep with a label, one number a seed; a seed that lacks one of the two is left out.
    """
    apart = [_apart(evidence.results(name), labels, values) for name in networks]
    return contrast(claim, apart[0], apart[1], unit)


def _apart(
    table: pd.DataFrame, labels: tuple[str, str], values: Callable[[pd.DataFrame, str], list[float]]
) -> list[float]:
    """The higher minus the lower, of each seed that has one number of either."""
    if table.empty:
        return []
    of_seeds = [table[table["seed"] == seed] for seed in sorted(set(table["seed"]))]
    pairs = [[values(rows, label) for label in labels] for rows in of_seeds]
    return [high[0] - low[0] for high, low in pairs if len(high) == len(low) == 1]


def at_side(name: str, side_px: int) -> Settings:
    """A composition that ships, under its name, with views of another side."""
    return {**load(name).to_mapping(), "size": side_px}


def weighted(left: Any = LEFT, right: Any = RIGHT) -> list[Settings]:
    """The two terms of table 4 and figure 7: 0.4 × the loss of figure 6 left + 1.0 × that of figure 6 right."""
    return [{"composition": left, "weight": 0.4}, {"composition": right, "weight": 1.0}]


SUBSETS = {
    "nocodazole": "bbbc021-nocodazole",
    "cytochalasin_b": "bbbc021-cytochalasin-b",
    "taxol": "bbbc021-taxol",
}
MECHANISMS = {
    "destabilizers": "Microtubule destabilizers",
    "actin": "Actin disruptors",
    "stabilizers": "Microtubule stabilizers",
}
METHODS: dict[str, dict[str, Any]] = {  # the settings of BYOL and VICReg on cells are not given: their own defaults
    "moco_v2": {"name": "moco_v2_plus", "projection_dim": 128, "temperature": 0.07, "queue_size": 1024},
    "byol": {"name": "byol"},
    "vicreg": {"name": "vicreg"},
}
BACKBONES = ("vgg13", "resnet18")
COMPOSITION = "terms.0.composition"


def full_sweeps(compositions: Sequence[Any], terms: list[Any] | None = None) -> dict[str, Mapping[str, Any]]:
    """Subset × method × backbone, each a sweep over compositions (or one weighted sum of terms) and seeds."""
    vary = {COMPOSITION: list(compositions)} if compositions else {"terms": [terms]}
    return {
        f"{subset} {method} {backbone}": cells(
            name,
            terms or compositions[0],
            backbone=backbone,
            method=settings,
            vary=vary,
        )
        for subset, name in SUBSETS.items()
        for method, settings in METHODS.items()
        for backbone in BACKBONES
    }


def full_rows(evidence: Evidence, labels: Mapping[str, str]) -> list[Row]:
    """Mean AMI, K = 2, of each subset, method and backbone: label of the sweep -> name of the table's group."""
    rows = []
    for subset in SUBSETS:
        for method in METHODS:
            for backbone in BACKBONES:
                table = evidence.results(f"{subset} {method} {backbone}")
                for label, group in labels.items():
                    mean, sd, n = mean_sd(column(table, label, "ami"))
                    rows.append(Row(f"{group} · {method} {backbone}", subset, None, mean, sd, n))
    return rows


def rows_of(evidence: Evidence, sweep: str, column_name: str, labels: Sequence[str], what: str = "ami") -> list[Row]:
    """A row a label of one sweep of a rehearsal."""
    table = evidence.results(sweep)
    rows = []
    for label in labels:
        mean, sd, n = mean_sd(column(table, label, what))
        rows.append(Row(label, column_name, None, mean, sd, n))
    return rows


def ami_and_top1_rows(evidence: Evidence, sweep: str, column_name: str, labels: Sequence[str]) -> list[Row]:
    """AMI, and what the paper does not give for cells: top-1 of linear evaluation, which finds what k-means may not."""
    probe = rows_of(evidence, sweep, f"{column_name}, top-1", labels, "top1")
    return [*rows_of(evidence, sweep, column_name, labels), *probe]


def ami_higher(evidence: Evidence, sweep: str, claim: str, higher_label: str, lower_label: str) -> Contrast:
    """AMI of one label above that of another, in one sweep."""
    table = evidence.results(sweep)
    return contrast(claim, column(table, higher_label, "ami"), column(table, lower_label, "ami"), "AMI")


def beside_published(found: Contrast, said: str, higher: tuple[str, str], lower: tuple[str, str]) -> Contrast:
    """A contrast of AMI on some cells with the difference that the paper has for the compound that acts alike, so that
    one sees how large a difference that shows is.

    Args:
        said: the cells, of `LIKE`. higher, lower: table and row of `published.json`: MoCo v2 with VGG13 of a group, or
            a network with ImageNet weights.
    """
    if found.difference is None or said not in LIKE:
        return found
    above, below = (_published(*place, LIKE[said]) for place in (higher, lower))
    return replace(found, reason=f"{found.reason}; the paper: {above - below:+.2f}".removeprefix("; "))


def _published(table: str, row: str, compound: str) -> float:
    data = published()[table]
    values = data["imagenet_pretrained"].get(row) or data.get(row, data)["moco_v2"]["vgg13"]  # table 4 has no groups
    return float(values[data["columns"].index(compound)])
