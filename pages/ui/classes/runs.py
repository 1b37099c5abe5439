"""The Classes page for one run, or for two side by side."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from pages.ui.classes.class_table import ABOUT_PROBES, points, probe_words, quoted
from pages.ui.kit import choices, frame
from pages.ui.runs import choosing
from ssrl_core import stores
from ssrl_core.analysis.comparison import compare_classes, confused_pairs
from ssrl_core.errors import some_of
from ssrl_core.figures.classes import class_bars, class_differences, class_pairs, confusion_matrix
from ssrl_core.figures.style import percent, whole_percent
from ssrl_core.runs.folder.results import Probe, Results
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.folder.verdict import reference_words
from ssrl_core.runs.queue import run_names
from ssrl_core.runs.queue.registry import RunRow

NONE = "none"
_FLAT = 3
_NAMED = 3  # classes in a sentence
_EVEN = "accuracy"
CSS = """
.vl-tops { display: flex; flex-wrap: wrap; gap: .5rem 2.4rem; }
.vl-tops .what, .vl-tops .beside { font-size: .8rem; color: light-dark(#5b6470, #9aa4b1); }
.vl-tops .name { flex: 0 0 100%; font-weight: 600; margin-bottom: -.3rem; }
.vl-tops .value { font-size: 1.35rem; font-weight: 600; line-height: 1.25; }
"""


@dataclass(frozen=True)
class Run:
    """A run with results: `name` as the user reads it, `dataset` its image set."""

    run_id: str
    name: str
    dataset: str
    results: Results

    def probe(self, probe: str) -> Probe | None:
        """A probe's result, None where there is none."""
        found = self.results.probes.get(probe)
        return found if found and found.classes else None

    def classes(self, probe: str) -> Mapping[str, Mapping[str, Any]]:
        """Class -> {n, correct, accuracy, low, high} of a probe; {} where there is none."""
        found = self.probe(probe)
        return found.classes if found else {}

    def why(self, probe: str) -> str:
        """Why a probe has no result."""
        return self.results.missing.get(probe.replace("-", ".", 1)) or "it was not evaluated"


def load(run_id: str, title: str = "") -> Run:
    """A run's results.

    Args:
        title: as the user reads it beside another run; left out, as it is alone.

    Raises:
        SSRLError: the folder is damaged.
    """
    row = next((run for run in frame.known_runs() if run["id"] == run_id), RunRow(id=run_id))
    return Run(run_id, title or run_names.words(row), str(row.get("dataset") or ""), RunFolder(run_id).results())


def choose_beside(first: str) -> str | None:
    """The run to set beside the first one; None for none. In the address as `beside`."""
    runs = choosing.trained()
    own = next((run.get("dataset") for run in runs if run["id"] == first), None)
    others = [run for run in runs if run["id"] != first]
    others.sort(key=lambda run: run.get("dataset") != own)  # those on the same images first
    chosen = choosing.one_of("Beside", others, key="beside", before={NONE: "no other run"}, default=NONE)
    return None if chosen == NONE else chosen


def probes_in(runs: Sequence[Run]) -> list[str]:
    """The probes that were asked of any of these runs: linear and kNN always, then fine-tuning, fewest labels first."""
    tuned = {share for run in runs for share in run.results.entry("finetune") or {}}
    return ["linear", "knn", *(f"finetune-{share}" for share in sorted(tuned, key=float))]


def choose_common_probe(runs: Sequence[Run]) -> str | None:
    """The probe, of those that every run has; None where there is none in common."""
    both = [probe for probe in probes_in(runs) if all(run.probe(probe) for run in runs)]
    if not both:
        return None
    few = len(both) <= _FLAT
    return choices.from_address("Probe", both, key="probe", shown=probe_words, help=ABOUT_PROBES, flat=few)


def why_no_probe(runs: Sequence[Run]) -> str:
    """Why no probe is there for every one of these runs."""
    without = next((run for run in runs if not any(run.probe(probe) for probe in probes_in([run]))), None)
    if without is None:
        return "These two runs have no probe in common. Ask for one more in evaluate and queue the run again."
    return f"No accuracy of classes: {without.why('linear')}."


def tops(run: Run, *, named: bool = False) -> None:
    """Top-1 of each probe, beside what no learning at all would reach; with the run's name where there are two."""
    floors = [
        f"{word} {percent(known)}"
        for key, word in reference_words(solved=RunFolder(run.run_id).spec().is_solved).items()
        if (known := run.results.reference(key).knn) is not None
    ]
    cells = [f'<div class="name">{html.escape(run.name)}</div>'] if named else []
    for probe in probes_in([run]):
        found = run.probe(probe)
        floor = " · ".join(floors) if probe == "knn" else f"without learning, by kNN: {floors[0]}" if floors else ""
        if found and found.pixels:
            floor = f"raw pixels {percent(found.pixels.top1)}"
        beside = floor if found else run.why(probe)
        value = percent(found.top1) if found else "–"
        cells.append(
            f'<div><div class="what">{_of_labels(probe)}, top-1</div><div class="value">{value}</div>'
            f'<div class="beside">{html.escape(beside)}</div></div>'
        )
    n, split = run.results.n, run.results.split
    cells.append(
        f'<div><div class="what">Images</div><div class="value">{n}</div><div class="beside">{split} split</div></div>'
    )
    st.html(f'<div class="vl-tops">{"".join(cells)}</div>')


def _of_labels(probe: str) -> str:
    """`Linear probe`, `Fine-tuned, 1 % of labels`."""
    return f"{probe_words(probe)} {'of the labels' if probe.startswith('finetune') else 'probe'}"


def alone(run: Run, probe: str) -> None:
    """Accuracy of each class and the confusion matrix."""
    found, classes = run.probe(probe), run.classes(probe)
    pixels = found.pixels.classes if found and found.pixels else None
    left, right = st.columns([1, 1], gap="large")
    with left:
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
            _heading(
                "Accuracy of each class",
                "Line: 95 % interval (Wilson) for this number of images. Dashed: all images together."
                + (" Grey strokes: raw pixels." if pixels else ""),
            )
            order = _order(list(classes))
        figure = class_bars(classes, order=order, mean=found.top1 if found else None, pixels=pixels)
        frame.chart(figure, "class-bars")
    with right:
        _confusion(run, found.confusion if found else None, list(classes))


def beside(first: Run, second: Run, probe: str) -> None:
    """What each class gains or loses from the first run to the second."""
    rows = compare_classes(first.classes(probe), second.classes(probe))
    if not rows:
        frame.empty("These two runs have no class in common.", stop=False)
        return
    st.markdown(winners_and_losers(rows, first.name, second.name))
    _warn(first, second)
    left, right = st.columns([1, 1], gap="large")
    with left:
        _heading("Difference", "In points of accuracy, with 95 % intervals; grey where the interval holds 0.")
        frame.chart(class_differences(rows), "class-differences")
    with right:
        _heading("Side by side", f"Open circle: {first.name}. Full circle: {second.name}.")
        frame.chart(class_pairs(rows, first.name, second.name), "class-pairs")


def table_of(first: Run, second: Run | None, probe: str) -> pd.DataFrame:
    """The rows behind the picture, to download."""
    if second is not None:
        rows = compare_classes(first.classes(probe), second.classes(probe))
        return pd.DataFrame(rows).assign(first_run=first.run_id, second_run=second.run_id, probe=probe)
    classes = first.classes(probe)
    return pd.DataFrame([{"run": first.run_id, "probe": probe, "class": name, **row} for name, row in classes.items()])


def _heading(title: str, sentence: str) -> None:
    with st.container(gap="xxsmall", width="stretch"):
        frame.section(title, sentence)


def _order(names: list[str]) -> list[str] | None:
    words = {name: name for name in (_EVEN, "as listed")}
    chosen = choices.pick("Order", words, key="class-order", label_visibility="collapsed", width="content")
    return names if chosen == "as listed" else None


def _confusion(run: Run, matrix: list[list[int]] | None, names: list[str]) -> None:
    _heading("Confusion", "Rows: the truth. Each row adds up to 100 %; the numbers are images.")
    if matrix is None:
        frame.quiet("Not kept for the kNN probe.")
        return
    st.markdown(mistakes(confused_pairs(matrix, names, 3)))
    frame.chart(confusion_matrix(matrix, names), "confusion")


def _warn(first: Run, second: Run) -> None:
    if first.dataset != second.dataset or first.results.split != second.results.split:
        frame.quiet("The two runs were tested on different images; classes are matched by name.")
    frame.quiet("One run each: the intervals come from the number of images and say nothing of other seeds.")


def page(place: Any) -> None:
    """Everything under the heading.

    Args:
        place: where the page's primary action stands.
    """
    choosing.need_a_run()
    columns = st.columns([4, 4, 3], vertical_alignment="bottom")
    with columns[0]:
        run_id = choosing.choose_run()
    with columns[1]:
        other = choose_beside(run_id)
    with frame.guard():
        titles = choosing.titles_of(run_id, *([other] if other else []))
        first = load(run_id, titles[run_id])
        second = load(other, titles[other]) if other else None
        with columns[2]:
            probe = choose_common_probe([first, second] if second else [first])
        if second is None:
            tops(first)
        else:
            for run, column in zip((first, second), st.columns(2, gap="large"), strict=True):
                with column:
                    tops(run, named=True)
        if probe is None:
            frame.empty(why_no_probe([first, second] if second else [first]), icon="photo_library", stop=False)
            return
        if second is not None:
            beside(first, second, probe)
        else:
            alone(first, probe)
        with place:
            st.download_button(
                "Table",
                stores.csv_text(table_of(first, second, probe)).encode(),
                f"{run_id}-classes-{probe}.csv",
                "text/csv",
                icon=":material/download:",
                type="primary",
                on_click="ignore",
            )


def winners_and_losers(rows: Sequence[Mapping[str, Any]], first: str, second: str) -> str:
    """Markdown: which classes clearly gain and which lose from the first run to the second.

    Args:
        rows: of `analysis.comparison.compare_classes`, largest gain first.
    """
    up = [row for row in rows if row["clear"] and row["difference"] > 0]
    down = [row for row in reversed(rows) if row["clear"] and row["difference"] < 0]
    start = f"From {quoted(first)} to {quoted(second)}: "
    if not up and not down:
        return start + f"no class of {len(rows)} changes by more than chance would explain."
    parts = [_listed(up, "gain" if len(up) != 1 else "gains"), _listed(down, "lose" if len(down) != 1 else "loses")]
    unclear = len(rows) - len(up) - len(down)
    rest = f" {unclear} of {len(rows)} classes stay within their intervals." if unclear else ""
    return start + "; ".join(part for part in parts if part) + "." + rest


def mistakes(pairs: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: the commonest mistakes, of `analysis.comparison.confused_pairs`."""
    if not pairs:
        return "No image is mistaken."
    pairs_named = [
        f"{quoted(p['truth'])} for {quoted(p['predicted'])} ({p['n']}, {whole_percent(p['share'])})" for p in pairs
    ]
    return "Most often mistaken: " + ", ".join(pairs_named) + "."


def _listed(rows: Sequence[Mapping[str, Any]], verb: str) -> str:
    if not rows:
        return ""
    named = [
        f"{quoted(row['class'])} {points(row['difference'])} ({points(row['low'])} to {points(row['high'])})"
        for row in rows
    ]
    return f"{some_of(named, _NAMED)} {verb}"
