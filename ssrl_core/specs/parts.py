"""The table of parts: what evaluation makes of a run, what of `evaluate` asks for it, the numbers that tables show.

A new part (a metric) is a row here and a file of the same name in `runs/evaluation/parts/`. The keys that a spec may
have, `results.json`, the lists of runs, the tables of sweeps, the Train page and the exports read this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ssrl_core.errors import SpecError
from ssrl_core.specs.parameters import Frozen, Parameter, check_settings
from ssrl_core.specs.screens import RECIPE

Takes = Literal["nothing", "switch", "settings", "list"]


@dataclass(frozen=True)
class LayoutRow:
    """One way to lay an embedding out in the plane; `analysis/NAME.py` has a function of that name (PCA: none).

    Attributes:
        name: as specs, files and commands have it.
        title: as figures and menus have it.
        sentence: what it shows, and what not to read from it.
        seconds_per_row: about how long it takes on two cores.
        default: whether a run makes it unasked.
        starts: it begins somewhere, so that the map of another run can be the beginning.
    """

    name: str
    title: str
    sentence: str
    seconds_per_row: float
    default: bool = False
    starts: bool = True


_LAYOUT_ROWS = (
    LayoutRow(
        "tsne",
        "t-SNE",
        "Neighbours stay neighbours; distances between groups and their sizes mean little.",
        0.0035,
        default=True,
    ),
    LayoutRow(
        "umap",
        "UMAP",
        "Neighbours stay neighbours and groups are drawn tight; gaps between groups mean little.",
        0.0025,
        default=True,
    ),
    LayoutRow(
        "pca",
        "PCA",
        "The two directions of largest variance: distances are true, but most directions are left out.",
        0.0001,
        starts=False,
    ),
)
LAYOUTS: dict[str, LayoutRow] = {row.name: row for row in _LAYOUT_ROWS}


@dataclass(frozen=True)
class Column:
    """A number of a part that the tables of runs and sweeps show.

    Attributes:
        name: of the column in tables and files.
        key: of the number in the part's entry of `results.json`, dotted where it lies deeper.
        title, sentence: its head on screen and what it says.
        share: it is a share in 0..1, shown in percent; else a score.
        listed: in the list of all runs too; of a part that is asked for several times, the largest there.
        place: columns stand in this order, those of one place as their parts do.
    """

    name: str
    key: str
    title: str
    sentence: str
    share: bool = False
    listed: bool = False
    place: int = 9


@dataclass(frozen=True)
class Part:
    """A thing that evaluation makes of a run that has learnt.

    Attributes:
        name: its key in `evaluate` and in `results.json`, and the name of its file.
        title, sentence: what it is, for people.
        takes: what stands at its key in `evaluate`: a `list` (each item checked by the one setting, and made by
            itself), a mapping of `settings`, a `switch` (true or false); `nothing`: no key, it is always made.
        settings: its settings.
        default: what is asked for where the key is left out, as it would be written.
        optional: `null` or false leaves a part with settings out, true takes the defaults.
        needs_labels: without labels it is not made, and that is said in `missing`.
        phase: of the run in which it is made.
        columns: its numbers in tables.
        offered: values of a list that a page offers besides those that are chosen.
    """

    name: str
    title: str
    sentence: str
    takes: Takes = "nothing"
    settings: tuple[Parameter, ...] = ()
    default: Any = None
    optional: bool = False
    needs_labels: bool = False
    phase: Literal["evaluate", "layout"] = "evaluate"
    columns: tuple[Column, ...] = ()
    offered: tuple[Any, ...] = ()

    def read(self, value: Any, where: str) -> Any:
        """What people write at the part's key, checked: a tuple, settings (None: left out) or a bool.

        Raises:
            SpecError: naming the field, the rule and the remedy.
        """
        if self.takes == "list":
            return tuple(dict.fromkeys(self.settings[0].check(item, where) for item in self._items(value, where)))
        if self.takes == "switch":
            return Parameter(self.name, "boolean", self.default, self.sentence).check(value, where)
        if self.optional and (value is None or isinstance(value, bool)):
            return Frozen(check_settings(self.settings, {}, where, self.name)) if value else None
        if not isinstance(value, Mapping | None):
            raise SpecError.at(where, self.name, "a mapping", value, "Leave it out for the defaults.")
        return Frozen(check_settings(self.settings, value or {}, f"{where}, {self.name}", self.name))

    def plain(self, value: Any) -> Any:
        """The value as files have it."""
        if self.takes == "list":
            return list(value)
        return dict(value) if isinstance(value, Mapping) else value

    def merged(self, old: Any, new: Any) -> Any:
        """What is asked for when the same run is asked for again: items of both, else the new unless it leaves out."""
        return tuple(dict.fromkeys((*old, *new))) if self.takes == "list" else new or old

    def asked(self, value: Any) -> tuple[str, ...]:
        """What there is to make: `clusters.10` for each item of a list, else the part's name; nothing if left out."""
        if self.takes == "list":
            return tuple(f"{self.name}.{_item(one)}" for one in value or ())
        return (self.name,) if self.takes == "nothing" or value not in (None, False) else ()

    @property
    def on_demand(self) -> bool:
        """Not made unless it is asked for: its columns stand in tables only where a run has it."""
        return self.takes != "nothing" and self.asked(self.read(self.default, self.name)) == ()

    @property
    def empty(self) -> Any:
        """Its entry in `results.json` before it is made."""
        return {} if self.takes == "list" else None

    def _items(self, value: Any, where: str) -> list[Any]:
        if not isinstance(value, list | tuple):
            remedy = f"Write {self.name}: [{value}]."
            raise SpecError.at(where, self.name, "a list", value, remedy)
        return list(value)


def _item(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


_KNN = Column(
    "knn_top1",
    "top1",
    "kNN",
    "Share of the evaluated images whose class their nearest train images vote for.",
    share=True,
    listed=True,
    place=2,
)
_LINEAR = Column(
    "top1",
    "top1",
    "Linear",
    "Share of the evaluated images that a linear classifier on the frozen embedding gets right.",
    share=True,
    place=1,
)
_AMI = Column(
    "ami", "ami", "AMI", "Agreement of clusters and labels: 1 the same, 0 what chance gives.", listed=True, place=3
)
_SILHOUETTE = Column(
    "silhouette",
    "silhouette",
    "Silhouette",
    "How much nearer an image is to its own cluster than to the next.",
    place=4,
)

_READ = Column(
    "read",
    "mean",
    "Descriptors",
    "Mean share (R²) of descriptors and numeric columns that can be read from the embedding of other images.",
    share=True,
    place=5,
)

_FOUND = "(normalised mean average precision after correction for plates; 0 is chance)."
_SCREEN = (
    Column(
        "activity",
        "corrected.map.activity.value",
        "Replicates",
        f"How far wells of a treatment find each other before untreated wells of their plates {_FOUND}",
        place=6,
    ),
    Column(
        "consistency",
        "corrected.map.consistency.value",
        "Mechanisms",
        f"How far compounds of one mechanism find each other before others {_FOUND}",
        place=6,
    ),
    Column(
        "nsc",
        "corrected.nsc.value",
        "NSC",
        "Share of treatments whose nearest treatment of another compound has their mechanism, after correction.",
        share=True,
        place=6,
    ),
    Column(
        "nscb",
        "corrected.nscb.value",
        "NSCB",
        "The same, with the nearest treatment of another batch.",
        share=True,
        place=6,
    ),
    Column(
        "plate_read",
        "corrected.plate.value",
        "Plate",
        "How often the nearest wells of other compounds name a well's plate, after correction: lower is better.",
        share=True,
        place=6,
    ),
)

_ROWS = (
    Part(
        "clusters",
        "Numbers of clusters",
        "k-means in the embedding, with its scores; once for each number of clusters.",
        takes="list",
        settings=(Parameter("clusters", "integer", 10, "Number of clusters.", 2, 10_000),),
        default=(10,),
        columns=(_AMI, _SILHOUETTE),
        offered=tuple(range(2, 31)),
    ),
    Part(
        "knn",
        "kNN",
        "The evaluated images classified by the vote of their nearest train images.",
        takes="settings",
        settings=(
            Parameter("k", "integer", 20, "Neighbours that vote.", 1, 100_000, "", 1),
            Parameter("temperature", "number", 0.07, "Softness of the vote.", 0.0001, 100.0),
        ),
        needs_labels=True,
        columns=(_KNN,),
    ),
    Part(
        "linear",
        "Linear",
        "A linear classifier fitted on the frozen embedding of the train images.",
        takes="settings",
        settings=(
            Parameter(
                "mode",
                "choice",
                "cached",
                "cached fits on stored embeddings; paper passes images through the frozen network.",
                options=("cached", "paper"),
            ),
            Parameter("epochs", "integer", 100, "Epochs of the classifier.", 1, 100_000, "", 1),
        ),
        default=Frozen(),
        optional=True,
        needs_labels=True,
        columns=(_LINEAR,),
    ),
    Part(
        "finetune",
        "Fine-tuned with labels",
        "A copy of the network trained on with a share of the labels; once for each share.",
        takes="list",
        settings=(Parameter("finetune", "number", 0.1, "Share of the labels used.", 0.0001, 1.0),),
        default=(),
        needs_labels=True,
        offered=(0.01, 0.1, 0.5, 1.0),
    ),
    Part("references", "References", "kNN and clusters of raw pixels and of the untrained network."),
    Part(
        "read",
        "What can be read",
        "The share of each descriptor, numeric column and class that a linear reading finds in the embedding of images "
        "that it was not fitted on, beside raw pixels.",
        takes="switch",
        default=False,
        columns=(_READ,),
    ),
    Part(
        "forecast",
        "Forecast beside it",
        "What was to be expected of the composition before any training, to be set beside what can be read.",
        takes="switch",
        default=False,
    ),
    Part(
        "screen",
        "Screen",
        "Profiles of wells and treatments, corrected for plates: do replicates agree, do mechanisms, beside what a "
        "cell count, raw pixels and an untrained network give.",
        takes="settings",
        settings=RECIPE,
        optional=True,
        columns=_SCREEN,
    ),
    Part("view", "Views", "The same, of images passed once through the composition."),
    Part(
        "layouts",
        "Maps",
        "The embedding laid out in the plane.",
        takes="list",
        settings=(Parameter("layouts", "choice", "tsne", "How the plane is found.", options=tuple(LAYOUTS)),),
        default=tuple(row.name for row in _LAYOUT_ROWS if row.default),
        phase="layout",
        offered=tuple(LAYOUTS),
    ),
)

PARTS: dict[str, Part] = {row.name: row for row in _ROWS}


def asked_for() -> dict[str, Part]:
    """The parts that have a key in `evaluate`."""
    return {name: part for name, part in PARTS.items() if part.takes != "nothing"}


def columns(*, listed: bool = False) -> list[tuple[Part, Column]]:
    """The numbers that tables show, in their order.

    Args:
        listed: those of the list of all runs.
    """
    every = [(part, column) for part in PARTS.values() for column in part.columns if column.listed or not listed]
    return sorted(every, key=lambda pair: pair[1].place)
