"""Handing a value of a parameter to Compose: the composition of the sweep with that value in it."""

from __future__ import annotations

import re
from typing import Any

import streamlit as st

from pages.ui.classes.numbers import Scene
from pages.ui.kit import choices, frame
from ssrl_core.analysis import bias
from ssrl_core.errors import SpecError, SSRLError
from ssrl_core.specs.composition import Composition, preset_names, saved_names
from ssrl_core.specs.sweep import SweepSpec

_PATH = re.compile(r"terms\.(\d+)\.composition\.(.+)")


def offer(scene: Scene, values: list[Any], whom: str) -> None:
    """A choice of a value on the front, and the link that takes it to Compose; or why it cannot be taken there."""
    path = str(scene.x).removeprefix("vary.")
    if _PATH.fullmatch(path) is None:
        frame.quiet(f"{path} is no setting of a composition: take it to Train by hand.")
        return
    columns = st.columns([1, 2, 2], vertical_alignment="bottom")
    with columns[0]:
        value = st.selectbox("Hand on", values, format_func=_short, key="classes-hand-value")
    with columns[1]:
        origin = _origin(scene)
    with columns[2], frame.guard():
        made = with_value(base_of(scene.sweep, origin), path, bias.as_given(scene.table[str(scene.x)], value))
        token = choices.to_token(made)
        label = f"Open {_short(value)} in Compose, for {whom}"
        frame.link("pages/2_Compose.py", label, icon="tune", draft=token)


def base_of(sweep: str | None, origin: str | None) -> dict[str, Any]:
    """The run spec that the value goes into: the sweep's own, or one with a chosen composition.

    Raises:
        SpecError: the sweep's spec is not there.
    """
    if sweep is not None:
        from ssrl_core.runs.queue import tables

        return tables.sweep_mapping(sweep)
    term = {"composition": origin}
    return {"dataset": "strokes", "backbone": "tiny_cnn", "method": "simclr", "terms": [term, term]}


def with_value(base: dict[str, Any], path: str, value: Any) -> Composition:
    """The composition of a run spec with one value at a path (`terms.0.composition.…`).

    Raises:
        SpecError: the composition has no such setting, or the value is outside its range.
    """
    found = _PATH.fullmatch(path)
    if found is None:
        raise SpecError(where="Compose", field="path", rule="inside a composition", value=path)
    spec = SweepSpec.from_mapping({**base, "vary": {path: [value]}, "seeds": [5]}, "Compose").runs()[0].spec
    return spec.terms[int(found[1])].composition


def _origin(scene: Scene) -> str | None:
    """For a table that was brought, the composition that the value goes into."""
    if scene.sweep is not None:
        frame.quiet("Into the composition of the sweep.")
        return None
    path = str(scene.x).removeprefix("vary.")
    fitting = [name for name in [*saved_names(), *preset_names()] if _has(name, path)]
    if not fitting:
        raise SpecError(
            where="Compose", field="composition", rule=f"one with {path}", value="none", remedy="Save such a one first."
        )
    return str(st.selectbox("into", fitting, key="classes-hand-origin"))


def _has(name: str, path: str) -> bool:
    from ssrl_core.specs.composition import load

    try:
        steps = load(name).views[0].steps
    except SSRLError:
        return False
    found = re.search(r"steps\.([a-z_]+)\.", path)
    return found is None or any(step.transform == found[1] for step in steps)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) else str(value)
