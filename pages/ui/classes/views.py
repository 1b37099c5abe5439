"""The pictures of the Classes page: one run alone, or two side by side."""

from __future__ import annotations

import html
from typing import Any

import pandas as pd
import streamlit as st

from pages.ui.classes import words
from pages.ui.classes.scene import Run, probes_in
from pages.ui.kit import frame
from ssrl_core.analysis.classes import compare_classes, confused_pairs
from ssrl_core.figures.classes import class_bars, class_differences, class_pairs, confusion_matrix
from ssrl_core.figures.style import percent

_PLAIN = {"displayModeBar": False}
_EVEN = "accuracy"

CSS = """
.vl-tops { display: flex; flex-wrap: wrap; gap: .5rem 2.4rem; }
.vl-tops .what, .vl-tops .beside { font-size: .8rem; color: light-dark(#5b6470, #9aa4b1); }
.vl-tops .name { flex: 0 0 100%; font-weight: 600; margin-bottom: -.3rem; }
.vl-tops .value { font-size: 1.35rem; font-weight: 600; line-height: 1.25; }
"""


def tops(run: Run, *, named: bool = False) -> None:
    """Top-1 of each probe, beside what no learning at all would reach; with the run's name where there are two."""
    references = run.results.get("references") or {}
    floors = [
        f"{word} {percent(value)}"
        for key, word in (("pixels", "raw pixels"), ("untrained", "untrained network"))
        if (value := (references.get(key) or {}).get("knn")) is not None
    ]
    cells = [f'<div class="name">{html.escape(run.name)}</div>'] if named else []
    for probe in probes_in([run]):
        found = run.probe(probe)
        beside = " · ".join(floors) if probe == "knn" and found else "" if found else run.why(probe)
        value = percent(found["top1"]) if found else "–"
        cells.append(
            f'<div><div class="what">{_of_labels(probe)}, top-1</div><div class="value">{value}</div>'
            f'<div class="beside">{html.escape(beside)}</div></div>'
        )
    n, split = run.results.get("n"), run.results.get("split")
    cells.append(
        f'<div><div class="what">Images</div><div class="value">{n}</div><div class="beside">{split} split</div></div>'
    )
    st.html(f'<div class="vl-tops">{"".join(cells)}</div>')


def _of_labels(probe: str) -> str:
    """`Linear probe`, `Fine-tuned, 1 % of labels`."""
    return f"{words.probe(probe)} {'of the labels' if probe.startswith('finetune') else 'probe'}"


def alone(run: Run, probe: str) -> None:
    """Accuracy of each class and the confusion matrix."""
    found = run.probe(probe) or {}
    classes = found["classes"]
    left, right = st.columns([1, 1], gap="large")
    with left:
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
            _heading(
                "Accuracy of each class",
                "Line: 95 % interval (Wilson) for this number of images. Dashed: all images together.",
            )
            order = _order(list(classes))
        figure = class_bars(classes, order=order, mean=found["top1"])
        st.plotly_chart(figure, key="class-bars", config=_PLAIN)
    with right:
        _confusion(run, found, list(classes))


def beside(first: Run, second: Run, probe: str) -> None:
    """What each class gains or loses from the first run to the second."""
    rows = compare_classes((first.probe(probe) or {})["classes"], (second.probe(probe) or {})["classes"])
    if not rows:
        frame.empty("These two runs have no class in common.", stop=False)
        return
    st.markdown(words.winners_and_losers(rows, first.name, second.name))
    _warn(first, second)
    left, right = st.columns([1, 1], gap="large")
    with left:
        _heading("Difference", "In points of accuracy, with 95 % intervals; grey where the interval holds 0.")
        st.plotly_chart(class_differences(rows), key="class-differences", config=_PLAIN)
    with right:
        _heading("Side by side", f"Open circle: {first.name}. Full circle: {second.name}.")
        st.plotly_chart(class_pairs(rows, first.name, second.name), key="class-pairs", config=_PLAIN)


def table_of(first: Run, second: Run | None, probe: str) -> pd.DataFrame:
    """The rows behind the picture, to take home."""
    if second is not None:
        rows = compare_classes((first.probe(probe) or {})["classes"], (second.probe(probe) or {})["classes"])
        return pd.DataFrame(rows).assign(first_run=first.run_id, second_run=second.run_id, probe=probe)
    classes: dict[str, Any] = (first.probe(probe) or {})["classes"]
    return pd.DataFrame([{"run": first.run_id, "probe": probe, "class": name, **row} for name, row in classes.items()])


def _heading(title: str, sentence: str) -> None:
    with st.container(gap="xxsmall", width="stretch"):
        frame.section(title, sentence)


def _order(names: list[str]) -> list[str] | None:
    chosen = st.segmented_control(
        "Order",
        [_EVEN, "as listed"],
        key="class-order",
        default=_EVEN,
        required=True,
        label_visibility="collapsed",
        width="content",
        persist_state="session",
    )
    return names if chosen == "as listed" else None


def _confusion(run: Run, found: Any, names: list[str]) -> None:
    _heading("Confusion", "Rows: the truth. Each row adds up to 100 %; the numbers are images.")
    matrix = found.get("confusion")
    if matrix is None:
        frame.quiet("Not kept for the kNN probe.")
        return
    st.markdown(words.mistakes(confused_pairs(matrix, names, 3)))
    st.plotly_chart(confusion_matrix(matrix, names), key="confusion", config=_PLAIN)


def _warn(first: Run, second: Run) -> None:
    if first.dataset != second.dataset or first.results.get("split") != second.results.get("split"):
        frame.quiet("The two runs were tested on different images; classes are matched by name.")
    frame.quiet("One run each: the intervals tell of the number of images, not of other seeds.")
