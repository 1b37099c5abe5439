"""What is missing or undefined in the numbers of a view, said below it, folded; and what each number is."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.ui.classes import table
from pages.ui.classes.numbers import Scene
from ssrl_core.analysis import bias

_SHOWN = ("method", "class", "value", "reason")
_KINDS = {
    "no_value": "rows without a value",
    "missing_runs": "missing runs",
    "few_values": "too few values",
    "one_value": "settings with one value",
    "one_seed": "one seed",
    "repeated": "runs made twice",
    "missing_class": "missing rows of classes",
    "no_images": "classes without images",
    "no_accuracy": "no accuracy",
    "constant": "constant accuracy",
    "few_points": "too few points",
    "counts_differ": "counts that differ",
    "no_superclass": "classes without a superclass",
    "names": "values that are names",
    "axis": "how the values are read",
    "moves_along": "what moves along",
}
_MOST_KINDS = 4


def of_scene(scene: Scene) -> None:
    """The reasons of every view, and the definitions."""
    told = _told(scene)
    if len(told):
        with st.expander(f"Missing or undefined ({len(told)}): {_kinds(told)}", icon=":material/info:"):
            table.show(told[[name for name in _SHOWN if name in told]])
    with st.expander("What each number is", icon=":material/menu_book:"):
        st.markdown("\n".join(f"- **{name.replace('_', ' ')}**: {text}" for name, text in bias.DEFINITIONS.items()))


def of_view(scene: Scene, *tables: pd.DataFrame) -> None:
    """The reasons that a view has besides those of the scene."""
    found = pd.concat([part for part in tables if len(part)] or [pd.DataFrame()], ignore_index=True)
    if found.empty:
        return
    more = found[~found["reason"].isin(set(_told(scene)["reason"]))].drop_duplicates(ignore_index=True)
    if len(more):
        with st.expander(f"Missing or undefined here ({len(more)}): {_kinds(more)}", icon=":material/info:"):
            table.show(more[[name for name in _SHOWN if name in more]])


def _told(scene: Scene) -> pd.DataFrame:
    parts = [scene.opposition().reasons, scene.curves().reasons]
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True).drop_duplicates(
        ignore_index=True
    )


def _kinds(told: pd.DataFrame) -> str:
    """What kinds of reasons there are, so that they are read without unfolding."""
    there = set(told["kind"])
    names = [text for kind, text in _KINDS.items() if kind in there]
    names += ["others"] if there - set(_KINDS) else []
    return ", ".join(names[:_MOST_KINDS]) + (" …" if len(names) > _MOST_KINDS else "")
