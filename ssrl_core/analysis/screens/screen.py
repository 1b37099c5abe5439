"""A screen, scored: every score of the profiles before and after correction, beside cell count alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.analysis.intervals import false_discovery, mean_of_units
from ssrl_core.analysis.screens import matching, retrieval
from ssrl_core.analysis.screens.correction import Corrected, correct, reference_wells
from ssrl_core.analysis.screens.matching import readable
from ssrl_core.analysis.screens.profiles import Caution, Profiles, treatment_profiles
from ssrl_core.analysis.screens.retrieval import COSINE, DIFFERENCE
from ssrl_core.errors import SSRLError
from ssrl_core.specs.screens import Recipe

Array = np.ndarray[Any, Any]
CELL_COUNT = "cell_count"


@dataclass(frozen=True)
class Scored:
    """Profiles of one kind, and all that is said of them.

    Attributes:
        wells: (w, D) as they are scored.
        measure: how alike two of them are (`retrieval.similarity`).
    """

    wells: Profiles
    recipe: Recipe
    measure: str = COSINE

    @cached_property
    def treatments(self) -> Profiles:
        """One profile a treatment."""
        return treatment_profiles(self.wells, self.recipe.treatments)

    @cached_property
    def activity(self) -> pd.DataFrame:
        """`retrieval.activity` with the column `grit`."""
        found = retrieval.activity(self.wells, measure=self.measure)
        grit = matching.grit(self.wells, measure=self.measure)
        return found.merge(grit[["treatment", "grit"]], on="treatment", how="left")

    @cached_property
    def consistency(self) -> pd.DataFrame:
        """`retrieval.consistency`."""
        return retrieval.consistency(self.treatments, measure=self.measure)

    @cached_property
    def nsc(self) -> matching.Matches:
        """The nearest treatment of another compound."""
        return matching.nearest_mechanism(self.treatments, measure=self.measure)

    @cached_property
    def nscb(self) -> matching.Matches:
        """The nearest treatment of another compound in another batch."""
        return matching.nearest_in_other_batch(self.wells, self.recipe.treatments, measure=self.measure)

    @cached_property
    def reading(self) -> list[dict[str, Any]]:
        """`nuisance.readable`."""
        return readable(self.wells, measure=self.measure)

    def numbers(self) -> dict[str, Any]:
        """{map: {activity, consistency}, nsc, nscb, drop, replicating, grit, plate, reading}, with intervals."""
        return {
            "map": {
                "activity": _activity_numbers(self.activity),
                "consistency": _map_numbers(self.consistency, "mechanism", units="mechanism", called="found"),
            },
            "nsc": self.nsc.score(),
            "nscb": self.nscb.score(),
            "drop": matching.drop(self.nsc, self.nscb),
            "replicating": matching.replicating(self.wells, measure=self.measure),
            "grit": _mean(self.activity["grit"], self.activity["compound"]),
            "plate": next(row for row in self.reading if row["name"] == "plate"),
            "reading": self.reading,
        }


def _mean(values: pd.Series, units: pd.Series) -> dict[str, Any]:
    value, low, high = mean_of_units(values, units)
    return {"value": value, "low": low, "high": high, "n": int(values.notna().sum())}


def _activity_numbers(table: pd.DataFrame) -> dict[str, Any]:
    """As `_map_numbers`, and whether any number of treatments could be called active."""
    found = _map_numbers(table, "treatment", units="compound", called="active")
    return found | {"possible": _possible(table["least"].to_numpy())}


def _possible(least: Array) -> bool:
    """Whether any of the treatments could be called active, were each as clear as its wells allow; NaN without map."""
    return bool((false_discovery(least) < retrieval.SIGNIFICANT).any())


def _map_numbers(table: pd.DataFrame, what: str, *, units: str, called: str) -> dict[str, Any]:
    """{value, low, high, n (normalised mAP), raw, CALLED: {count, share}, least, left_out: [{WHAT, why}]}."""
    known = table[table["map"].notna()]
    count = int(known["active"].sum())
    mean = _mean(table["map_normalised"], table[units])
    return {
        **mean,
        **{end: float(np.clip(mean[end], -1, 1)) for end in ("low", "high")},  # of few units they reach further
        "raw": float(known["map"].mean()) if len(known) else None,
        called: {"count": count, "share": count / len(known) if len(known) else None},
        "least": float(known["least"].max()) if len(known) else None,
        "left_out": table[table["map"].isna()][[what, "why"]].to_dict("records"),
    }


@dataclass(frozen=True)
class Screen:
    """A screen under a recipe: its wells after each step, its scores, and the others beside them.

    Attributes:
        corrected: the wells after each step.
    """

    recipe: Recipe
    corrected: Corrected

    @property
    def scored(self) -> Scored:
        """After the last step."""
        return self.after(self.corrected.steps[-1].name)

    @property
    def plain(self) -> Scored:
        """Before any correction."""
        return self.after("plain")

    def after(self, step: str) -> Scored:
        """After a step; scored once, whoever asks again."""
        return self._scored[step]

    @cached_property
    def _scored(self) -> dict[str, Scored]:
        return {step.name: Scored(self.corrected.at(step.name), self.recipe) for step in self.corrected.steps}

    @cached_property
    def cell_count(self) -> Scored | None:
        """The number of cells of a well alone, normalised as the profiles are; None where it is 1 everywhere."""
        return cell_count(self.corrected.wells, self.recipe)

    def to_json(self, others: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Any]:
        """Everything as plain data (docs/contracts.md C8, `screen`).

        Args:
            others: name -> numbers of other profiles of the same wells.
        """
        wells, count = self.corrected.wells, self.cell_count
        missing = {} if count is not None else {CELL_COUNT: "every well counts the same number of cells"}
        before, after = self.plain.numbers(), self.scored.numbers()
        said = [*wells.said, *_of_plates(before["plate"], after["plate"])]
        return {
            "counts": self._counts(),
            **before,
            "corrected": after,
            "steps": [step.name for step in self.corrected.steps],
            "ridge_used": self.corrected.ridge,
            CELL_COUNT: None if count is None else count.numbers(),
            "beside": dict(others or {}),
            "said": said,
            "cautions": [text for text in said if isinstance(text, Caution)],
            "missing": missing,
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """wells and treatments (profiles and what is known of each), activity, mechanisms, nearest, left_out."""
        scored = self.scored
        matches = {"nsc": scored.nsc, "nscb": scored.nscb}
        nearest = [one.table.assign(score=name) for name, one in matches.items()]
        left_out = [one.left_out.assign(score=name) for name, one in matches.items()]
        return {
            "wells": _with_numbers(self.corrected.wells),
            "treatments": _with_numbers(scored.treatments),
            "activity": scored.activity,
            "mechanisms": scored.consistency,
            "nearest": pd.concat(nearest, ignore_index=True),
            "left_out": pd.concat(left_out, ignore_index=True),
        }

    def write(self, folder: Path) -> list[str]:
        """The tables as CSV and the recipe as YAML, in a folder that is made; their names."""
        from ssrl_core import stores
        from ssrl_core.specs.yaml_files import dump_yaml

        folder.mkdir(parents=True, exist_ok=True)
        tables = self.tables()
        for name, table in tables.items():
            stores.replace(folder / f"{name}.csv", stores.csv_text(table))
        stores.replace(folder / "recipe.yaml", dump_yaml(self.recipe.to_mapping()))
        return [*(f"{name}.csv" for name in tables), "recipe.yaml"]

    def _counts(self) -> dict[str, int]:
        table, treatments = self.corrected.wells.table, self.scored.treatments.table
        several = {name: int(table[name].nunique()) for name in ("plate", "batch")}
        return {
            "cells": int(table["cells"].sum()),
            "wells": len(table),
            "untreated": int(table["untreated"].sum()),
            "treatments": len(treatments),
            "compounds": int(treatments["compound"].nunique()),
            "mechanisms": int(treatments["mechanism"].nunique()),
            **{f"{name}{'s' if name == 'plate' else 'es'}": count for name, count in several.items()},
        }


def _of_plates(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Caution]:
    """That correction itself set plates apart, where it did."""
    if before["value"] is None or after["value"] is None or not after["low"] > before["value"] + 0.05:
        return []
    return [
        Caution(
            f"After correction plates are told apart better than before ({after['value']:.2f}, {before['value']:.2f}): "
            "their untreated wells are too few to correct by. Try reference: all, or normalise: none."
        )
    ]


def _with_numbers(profiles: Profiles) -> pd.DataFrame:
    names = [f"profile_{i}" for i in range(profiles.x.shape[1])]
    return pd.concat([profiles.table, pd.DataFrame(profiles.x, columns=names)], axis=1)


def screen(wells: Profiles, recipe: Recipe | None = None) -> Screen:
    """Profiles of wells under a recipe.

    Raises:
        DataError: no plate has an untreated well, and the recipe normalises to those.
    """
    chosen = recipe or Recipe()
    return Screen(chosen, correct(wells, chosen))


def cell_count(wells: Profiles, recipe: Recipe) -> Scored | None:
    """Scores of the number of cells of each well and nothing else; None where it does not differ.

    It is the logarithm, less the median of the plate's reference wells where the recipe normalises at all.
    """
    counts = wells.table["cells"].to_numpy(float)
    if not len(counts) or np.ptp(counts) == 0:
        return None
    x = np.log1p(counts)
    if recipe.normalise != "none":
        reference, plates = reference_wells(wells, recipe), wells.table["plate"].to_numpy()
        x = x - pd.Series(x[reference]).groupby(plates[reference]).median().loc[plates].to_numpy()
    return Scored(Profiles(x[:, None], wells.table), recipe, DIFFERENCE)


def beside(kinds: Mapping[str, Profiles], recipe: Recipe) -> tuple[dict[str, Any], dict[str, str]]:
    """Numbers of other profiles of the same wells (raw pixels, the untrained network) under the same recipe.

    Returns:
        name -> as `Scored.numbers`, and name -> why it has none.
    """
    found, missing = {}, {}
    for name, wells in kinds.items():
        try:
            found[name] = screen(wells, recipe).scored.numbers()
        except SSRLError as error:
            missing[name] = error.message
    return found, missing
