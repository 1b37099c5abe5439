"""What a screener asks first, answered in sentences: which compounds do something, and is it more than cells lost?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.analysis.screens.screen import CELL_COUNT, Screen
from ssrl_core.errors import some_of

_NAMED = 8
_FEW = 4  # wells of a treatment: with fewer hardly any can be called


@dataclass(frozen=True)
class Answer:
    """One sentence or two; `head` is the answer itself."""

    head: str
    rest: str = ""

    def __str__(self) -> str:
        return f"{self.head}{self.rest}"


def answers(screen: Screen, told: Mapping[str, Any]) -> list[Answer]:
    """Which compounds do something, and whether that is more than the number of cells.

    Args:
        told: `Screen.to_json` of it.
    """
    own = screen.scored.activity
    count = None if screen.cell_count is None else screen.cell_count.activity
    return [_active(own, told["corrected"]["map"]["activity"]), _more(screen, own, count, told)]


def treatments_with_cells(own: pd.DataFrame, screen: Screen) -> pd.DataFrame:
    """The table of activity with `cells`: a treatment's cells a well as a share of untreated wells' of its plates, and
    `by_count`: whether the number of cells alone calls it different."""
    wells = screen.corrected.wells.table
    usual = wells[wells["untreated"].astype(bool)].groupby("plate")["cells"].median()
    share = wells["cells"] / wells["plate"].map(usual)
    found = own.assign(cells=own["treatment"].map(share.groupby(wells["treatment"]).median()))
    count = screen.cell_count
    called = set() if count is None else set(_called(count.activity)["treatment"])
    return found.assign(by_count=found["treatment"].isin(called))


def _called(activity: pd.DataFrame) -> pd.DataFrame:
    return activity[activity["active"].astype(bool)].sort_values("map_normalised", ascending=False)


def _active(own: pd.DataFrame, found: Mapping[str, Any]) -> Answer:
    if not found["n"]:
        return Answer("No treatment could be compared with untreated wells.")
    called = _called(own)
    if not found["possible"]:
        return Answer(
            "No treatment can be called different from untreated wells",
            f": with so few wells no probability below {own['least'].min():.2g} can come out for any of {found['n']}, "
            "and with so many asked that is not small enough.",
        )
    known = own[own["map"].notna()]
    compounds = known["compound"].nunique()
    head = f"{called['compound'].nunique()} of {compounds} compounds do something"
    if not len(called):
        head = f"None of {compounds} compounds can be called different from untreated wells"
        clearest = f"of {found['n']} treatments the clearest has q = {known['q'].min():.2g}, and 0.05 is asked for"
        few = known["wells"].median()
        beside = (
            f" A treatment has {few:g} wells here; Show looks at single cells and may see more." if few < _FEW else ""
        )
        return Answer(head, f": {clearest}.{beside}")
    names = some_of(dict.fromkeys(called["compound"]), _NAMED)
    share = f"{len(called)} of {found['n']} treatments differ from untreated wells"
    share += ", at most 5\N{NO-BREAK SPACE}% of them by chance"
    return Answer(head, f" ({share}): {names}.")


def _more(screen: Screen, own: pd.DataFrame, count: pd.DataFrame | None, told: Mapping[str, Any]) -> Answer:
    """Whether the network sees more than how many cells there are."""
    if count is None:
        return Answer("Whether that is more than the number of cells cannot be said", ": every well counts the same.")
    called, counted = _called(own), set(_called(count)["treatment"])
    beyond = called[~called["treatment"].isin(counted)]
    yes = _beats(told, _chance(screen.scored.treatments.with_mechanism().table))
    if yes is None:
        yes = len(beyond) > len(called) / 2 if len(called) else None
    if yes is None:
        return Answer("Whether that is more than the number of cells is open", f": {_lost(count)}")
    head = "Yes, it sees more than the number of cells" if yes else "No, it sees little more than the number of cells"
    seen = f"{len(beyond)} of the {len(called)} are not told by the number of cells alone" if len(called) else ""
    parts = [seen, _named(told)]
    return Answer(head, f": {'; '.join(part for part in parts if part)}. {_lost(count)}")


def _chance(known: pd.DataFrame) -> float:
    """How often a treatment of another compound, taken by chance, has the same mechanism."""
    others = len(known) - known.groupby("compound")["compound"].transform("size")
    alike = known.groupby("mechanism")["compound"].transform("size")
    alike -= known.groupby(["mechanism", "compound"])["compound"].transform("size")
    asked = alike > 0
    return float((alike[asked] / others[asked]).mean()) if asked.any() else 0.0


def _beats(told: Mapping[str, Any], chance: float) -> bool | None:
    """Whether mechanisms are found better than by cell counts and chance, the whole interval above; None: not asked."""
    own, count = told["corrected"], told[CELL_COUNT]
    score = "nscb" if own["nscb"]["value"] is not None and own["nscb"]["n"] >= own["nsc"]["n"] / 2 else "nsc"
    value, low, other = own[score]["value"], own[score]["low"], count[score]["value"]
    if value is None or other is None:
        return None
    return bool((value if low is None or not np.isfinite(low) else low) > max(other, chance))


def _named(told: Mapping[str, Any]) -> str:
    own, count = told["corrected"]["nsc"]["value"], told[CELL_COUNT]["nsc"]["value"]
    if own is None or count is None:
        return ""
    shares = [f"{100 * share:.0f}\N{NO-BREAK SPACE}%" for share in (own, count)]
    return f"the nearest treatment has the same mechanism for {shares[0]}, by the number of cells for {shares[1]}"


def _lost(count: pd.DataFrame) -> str:
    """Compounds whose number of cells differs: what is seen of them may be that."""
    names = some_of(dict.fromkeys(_called(count)["compound"]), _NAMED)
    if not names:
        return "No compound is told by its number of cells."
    return f"Told by the number of cells alone: {names}; what is seen of them may be no more than that."
