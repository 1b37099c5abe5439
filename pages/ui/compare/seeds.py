"""How much two sides differ by over their seeds: made by a job, shown as far as it is."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from pages.ui.compare.scene import SAME
from pages.ui.kit import frame, jobs
from ssrl_core.runs.evaluation import baseline
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import over_seeds as pairs
from ssrl_core.runs.queue.over_seeds import MOST_SEEDS

_SHOWN = {"ami": "AMI of clusters", "cka": "CKA", "neighbour_overlap": "neighbours shared"}


def over_seeds(first: str, second: str, ks: tuple[int, int]) -> None:
    """Mean ± sd over the seeds of both sides, beside what two seeds of one side differ by.

    Args:
        second: a run, `SAME` or a baseline.
    """
    beside = first if second == SAME else second
    asked = pairs.ask(RunFolder(first), None if second in baseline.BASELINES else RunFolder(beside), *ks)
    if not asked.groups:
        frame.quiet("With runs that differ by their seed alone, their mean and standard deviation would stand here.")
        return
    found = pairs.read(asked)
    done, total = (sum(row[key] for row in found) for key in ("pairs", "of"))
    if done:
        st.dataframe(table(found), hide_index=True, key="compare-seeds")
    frame.quiet(
        f"Mean ± sd over pairs of runs; {asked.seeds_a} seeds of A{_of_b(asked)}, at most {MOST_SEEDS} a side. What A "
        "and B differ by counts only as far as it is more than two seeds of one of them differ by."
    )
    if done < total:
        jobs.job(
            asked.name,
            ("compare", first, beside, "-k", str(ks[0]), "--k2", str(ks[1]), "--over-seeds"),
            button=f"Compare {total - done} {'pair' if total - done == 1 else 'pairs'} of seeds",
            icon="play_arrow",
            help="In the background; every pair is kept as soon as it was compared.",
        )


def _of_b(asked: pairs.PairsOverSeeds) -> str:
    return f", {asked.seeds_b} of B" if asked.seeds_b else ", none of B"


def table(found: list[dict[str, Any]]) -> pd.DataFrame:
    """One row a group of pairs; how many of them were compared is said while some are missing."""
    rows = []
    for row in found:
        count = str(row["pairs"]) if row["pairs"] == row["of"] else f"{row['pairs']} of {row['of']}"
        rows.append({"what": row["what"], "pairs": count, **{said: _words(row[key]) for key, said in _SHOWN.items()}})
    return pd.DataFrame(rows)


def _words(spread: dict[str, Any] | None) -> str:
    if spread is None:
        return "–"
    return f"{spread['mean']:.3f}" + ("" if spread["sd"] is None else f" ± {spread['sd']:.3f}")
