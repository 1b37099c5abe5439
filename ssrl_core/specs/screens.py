"""The recipe of a screen: how cells become profiles of wells and of treatments, and what plates are corrected for.

It stands in `evaluate: {screen: …}` of a run's spec, in a YAML file of its own, and beside every score that it led to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ssrl_core.errors import SpecError
from ssrl_core.specs.parameters import Parameter, check_settings

AUTO = "auto"
RECIPE = (
    Parameter(
        "wells",
        "choice",
        "mean",
        "How the cells of a well become one profile: their mean, their median, or the mean of the middle 80 %.",
        options=("mean", "median", "trimmed_mean"),
    ),
    Parameter(
        "minimum_cells", "integer", 1, "Wells with fewer cells are left out, and named.", 1, 1_000_000, "cells", 1
    ),
    Parameter(
        "normalise",
        "choice",
        "robust_z",
        "Every plate is shifted and scaled so that its reference wells lie at 0 with spread 1: by median and median "
        "deviation, by mean and standard deviation, or not at all.",
        options=("robust_z", "z", "none"),
    ),
    Parameter(
        "reference",
        "choice",
        "untreated",
        "Which wells of a plate are its reference: the untreated ones, or all (where most compounds do nothing).",
        options=("untreated", "all"),
    ),
    Parameter(
        "sphering",
        "boolean",
        True,
        "Directions in which untreated wells of all plates differ from each other are shrunk to the same spread.",
    ),
    Parameter(
        "ridge",
        "fill",
        AUTO,
        "Added to the spread of each direction before it is divided by; auto takes what describes untreated wells of "
        "plates left out best.",
        0.0,
        1000.0,
        options=(AUTO,),
    ),
    Parameter(
        "treatments",
        "choice",
        "median",
        "How the wells of one compound at one dose become one profile.",
        options=("median", "mean"),
    ),
    Parameter(
        "images",
        "choice",
        "all",
        "Which cells are scored beside all untreated ones: all, those that the network did not learn from, or those "
        "that it did.",
        options=("all", "held_out", "learnt"),
    ),
    Parameter(
        "mechanism",
        "text",
        AUTO,
        "The column of mechanisms; auto takes the one whose name says so (mechanism, moa).",
    ),
    Parameter(
        "batch",
        "text",
        AUTO,
        "The column of batches; auto takes the one whose name says so (batch, week), else weeks in plates' names.",
    ),
)


@dataclass(frozen=True)
class Recipe:
    """From cells to treatments, each step a choice; `RECIPE` says what each means.

    Attributes:
        ridge: in units of the spread of one feature over untreated wells, or `auto`.
    """

    wells: str = "mean"
    minimum_cells: int = 1
    normalise: str = "robust_z"
    reference: str = "untreated"
    sphering: bool = True
    ridge: float | str = AUTO
    treatments: str = "median"
    images: str = "all"
    mechanism: str = AUTO
    batch: str = AUTO

    def columns(self, *, mechanism: str | None = None, batch: str | None = None) -> dict[str, str | None]:
        """The columns of mechanisms and batches, given ones before the recipe's own; None: found by their names."""
        named = {"mechanism": mechanism or self.mechanism, "batch": batch or self.batch}
        return {name: None if column == AUTO else column for name, column in named.items()}

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any], where: str = "Recipe") -> Recipe:
        """Checked, defaults filled in.

        Raises:
            SpecError: naming the field, the rule and the remedy.
        """
        return cls(**check_settings(RECIPE, given, where, "a recipe"))

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """The recipe in a YAML file, or one that ships, by its name.

        Raises:
            SpecError: it is no mapping, or a setting is outside its rule.
        """
        from ssrl_core.specs.yaml_files import read_yaml

        if str(path) in RECIPES:
            return RECIPES[str(path)]
        return cls.from_mapping(read_yaml(path, "Recipe"), str(path))

    def to_mapping(self) -> dict[str, Any]:
        """As files have it."""
        return asdict(self)


RECIPES = {
    "default": Recipe(),
    "bbbc021": Recipe(wells="mean", normalise="z", reference="untreated", sphering=True, treatments="median"),
    "no-correction": Recipe(normalise="none", sphering=False),
}
"""Recipes by name. `bbbc021`: means of wells, standardised to each plate's DMSO wells and whitened on DMSO wells of all
plates (TVN without its last step, CORAL; Ando, McLean & Berndl 2017), medians of the wells of a compound at a dose."""


def recipe_of(given: Recipe | Mapping[str, Any] | str | None) -> Recipe | None:
    """A recipe, its settings, or the name of one that ships, as a recipe.

    Raises:
        SpecError: no recipe of this name, a setting outside its rule.
    """
    if isinstance(given, str):
        if given not in RECIPES:
            raise SpecError.at("Recipe", "recipe", f"one of {', '.join(RECIPES)}", given)
        return RECIPES[given]
    return Recipe.from_mapping(given) if isinstance(given, Mapping) else given
