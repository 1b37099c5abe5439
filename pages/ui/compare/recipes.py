"""Both compositions with their difference marked, and what else the two runs differ in."""

from __future__ import annotations

import difflib
import html
from typing import Any

import streamlit as st

from pages.ui.compare.scene import Pair, Side
from pages.ui.kit import frame
from ssrl_core.errors import SSRLError
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.specs.run import RunSpec

CSS = """
.vl-recipe { font-size: .88rem; line-height: 1.5; }
.vl-recipe p { margin: 0; padding: 1px 8px; border-left: 3px solid transparent; color: light-dark(#5b6470, #9aa4b1); }
.vl-recipe p.own { border-left-color: light-dark(#0f766e, #2dd4bf); color: light-dark(#14181f, #e8ebef);
  background: light-dark(#eef7f5, #12241f); }
.vl-recipe .term { font-weight: 600; color: light-dark(#14181f, #e8ebef); margin-top: 4px; }
"""

_ELSE = ("method", "backbone", "optimizer", "schedule", "batch_size", "epochs", "seed", "limit_train", "dataset")


def recipes(pair: Pair) -> None:
    """The compositions side by side; steps that only one of them has are marked."""
    specs = [_spec(side) for side in (pair.a, pair.b)]
    lines = [_lines(spec) if spec else [] for spec in specs]
    own = _own(lines[0], lines[1])
    for side, spec, text, marked, column in zip(
        (pair.a, pair.b), specs, lines, own, st.columns(2, gap="medium"), strict=True
    ):
        with column:
            if spec is None:
                frame.quiet(f"{side.letter} is {side.title}: it was not trained here.")
                continue
            rows = "".join(
                f'<p class="{"own" if at in marked else ""}{" term" if line.startswith("term ") else ""}">'
                f"{html.escape(line)}</p>"
                for at, line in enumerate(text)
            )
            st.html(f'<div class="vl-recipe">{rows}</div>')
    if specs[0] and specs[1]:
        found = differences(specs[0], specs[1])
        same = "Otherwise the two runs are the same." if pair.a.scene.run_id != pair.b.scene.run_id else ""
        frame.quiet("Also different: " + "; ".join(found) + "." if found else same)


def differences(first: RunSpec, second: RunSpec) -> list[str]:
    """What two specs differ in besides their compositions: "epochs 100, 200"."""
    a, b = first.to_mapping(), second.to_mapping()
    found = []
    for key in _ELSE:
        if a[key] == b[key]:
            continue
        if isinstance(a[key], dict):
            names = [name for name in {**a[key], **b[key]} if a[key].get(name) != b[key].get(name)]
            found += [f"{key} {name} {_said(a[key].get(name))}, {_said(b[key].get(name))}" for name in names]
        else:
            found.append(f"{key} {_said(a[key])}, {_said(b[key])}")
    return found


def _spec(side: Side) -> RunSpec | None:
    try:
        return RunFolder(side.scene.run_id).spec()
    except SSRLError:
        return None


def _lines(spec: RunSpec) -> list[str]:
    lines = []
    for at, term in enumerate(spec.terms):
        if len(spec.terms) > 1:
            lines.append(f"term {at + 1}, weight {term.weight:g}: {term.composition.name}")
        for group in term.composition.views:
            if len(term.composition.views) > 1:
                lines.append(f"{group.count} × {group.name}")
            lines += [step.sentence() for step in group.steps if step.enabled] or ["the image as it is"]
    return lines


def _own(first: list[str], second: list[str]) -> tuple[set[int], set[int]]:
    """Line numbers that the other has not."""
    blocks = difflib.SequenceMatcher(a=first, b=second, autojunk=False).get_matching_blocks()
    shared_a = {block.a + i for block in blocks for i in range(block.size)}
    shared_b = {block.b + i for block in blocks for i in range(block.size)}
    return set(range(len(first))) - shared_a, set(range(len(second))) - shared_b


def _said(value: Any) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
