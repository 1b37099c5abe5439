"""A forecast as bars: what is kept of what, beside no steps at all; classes that become harder; what a step costs."""

from __future__ import annotations

import html
import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pages.ui.kit import frame
from ssrl_core.analysis.descriptors import INTENSITY, descriptor, titled
from ssrl_core.figures.style import whole_percent
from ssrl_core.forecast.result import best_and_worst, calibration_sentence, calibration_words
from ssrl_core.specs.wishes import CLASSES, IGNORE, KEEP, in_a_row

if TYPE_CHECKING:
    from ssrl_core.forecast import Forecast, Kept
    from ssrl_core.forecast.result import ClassKept, PairKept, StepCost

_TOLD = 0.1  # R² below which even no steps at all tell too little to lose
_MORE = 1.05
_MOST_HARDER, _MOST_CHANGES = 5, 4
_LEAST_CHANGE = 0.03
_GROUPS = {
    "Shape and place": (
        *("area", "elongation", "symmetry", "stroke_thickness", "slant", "orientation", "objects"),
        *("place_x", "place_y"),
    ),
    "Light and colour": ("brightness", "contrast", "hue", "saturation"),
    "Nuclei and neighbours": (
        *("nuclear_area", "nuclear_eccentricity", "nuclear_solidity", "nuclear_intensity", "nuclear_texture"),
        *("granularity", "neighbour_count", "neighbour_distance"),
    ),
    "Texture": ("texture", "homogeneity", "local_patterns", "high_frequency"),
}
_NEXT = {"": KEEP, KEEP: IGNORE, IGNORE: "don’t care"}
_LIMITS = (
    "Solved, not trained: trust the order of the bars, not their values; what is lost is lost to a linear "
    "reading, and a network of another kind may differ."
)

CSS = f"""
.vl-kept {{ display: grid; grid-template-columns: 118px minmax(0, 1fr) 52px; gap: .5rem; align-items: center;
  font-size: .84rem; line-height: 1.5; }}
.vl-kept > span:first-child {{ overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }}
.vl-kept > span[data-about] {{ cursor: pointer; }}
.vl-kept > span[data-about]:hover {{ text-decoration: underline; }}
.vl-kept > span:last-child {{ text-align: right; white-space: nowrap; }}
.vl-kept .bar {{ position: relative; height: 13px; }}
.vl-kept .bar > * {{ position: absolute; left: 0; box-sizing: border-box; }}
.vl-kept s {{ top: 1px; height: 9px; border: 1px solid {frame.QUIET}; border-radius: 2px; opacity: .55; }}
.vl-kept i {{ top: 1px; height: 9px; border-radius: 2px; background: {frame.ACCENT}; }}
.vl-kept u {{ top: 5px; height: 1px; min-width: 1px; background: {frame.INK}; }}
.vl-kept em {{ top: 11px; height: 2px; background: {frame.QUIET}; }}
.vl-kept b {{ top: 1px; width: 9px; height: 9px; margin-left: -5px; border-radius: 50%; background: {frame.PANEL};
  border: 1.5px solid {frame.INK}; }}
.vl-kept.pair {{ grid-template-columns: 118px minmax(0, 1fr) 70px; }}
.vl-kept small {{ color: {frame.QUIET}; font-size: .76rem; }}
.vl-kept.twice {{ grid-template-columns: 104px minmax(0, 1fr) 76px; }}
.vl-kept.marked {{ grid-template-columns: 104px minmax(0, 1fr) 44px 44px; }}
.vl-kept.marked.twice {{ grid-template-columns: 92px minmax(0, 1fr) 70px 44px; }}
.vl-kept.marked > span:nth-child(3) {{ text-align: right; white-space: nowrap; }}
.vl-kept-all .vl-group {{ margin: .45rem 0 .1rem; }}
.vl-kept-all.old {{ opacity: .4; }}
.vl-kept-said {{ font-size: .92rem; line-height: 1.4; margin: 0 0 .2rem; }}
.vl-kept-legend {{ margin: .5rem 0; }}
.vl-kept-state {{ min-height: 2.1em; }}
.vl-kept-skeleton {{ height: 520px; }}
.vl-step {{ font-size: .84rem; line-height: 1.4; padding: .2rem 0; }}
.vl-step span {{ color: {frame.QUIET}; display: block; }}
.vl-kept-all details summary {{ cursor: pointer; color: {frame.QUIET}; font-size: .84rem; }}
"""


def bars_html(
    found: Forecast,
    *,
    old: bool = False,
    icc: bool = False,
    below: str = "",
    marks: Mapping[str, str] | None = None,
    hidden: Collection[str] = (),
) -> str:
    """Every bar, in groups whose order never changes, so that an edit moves nothing but the bars.

    Args:
        old: of the composition before the last edit.
        icc: a ring on the bars of descriptors.
        below: what stands under the bars.
        marks: thing -> keep or ignore; with it a button stands beside each bar.
        hidden: columns that are not shown.
    """
    told = [row for row in found.kept if row.plain >= _TOLD and row.name not in hidden]
    parts = [f'<p class="vl-kept-said">{_sentence(told)}</p>']
    for title, rows in _grouped(told).items():
        drawn = "".join(_row(row, icc=icc, marks=marks) for row in rows)
        parts.append(f'<div class="vl-group">{html.escape(title)}</div>{drawn}')
    dim = [titled(row.name, row.kind) for row in found.kept if row.plain < _TOLD and row.name not in hidden]
    if dim:
        parts.append(f'<p class="vl-quiet">Hardly told even without steps: {html.escape(", ".join(dim))}.</p>')
    limits, tried = html.escape(f"{_legend(found, icc)} {_LIMITS}"), html.escape(calibration_words())
    more = html.escape(calibration_sentence())
    parts.append(f'<p class="vl-quiet vl-kept-legend">{limits} <span title="{more}">{tried}</span></p>')
    return f'<div class="vl-kept-all{" old" if old else ""}">{"".join(parts)}{below}</div>'


def bar_html(of: str, drawn: str, said: str, *, kind: str = "", about: str = "", after: str = "") -> str:
    """One bar.

    Args:
        of: a span with what it is of; drawn: its outline, bar and lines; said: its number; after: a button. All HTML.
        kind: further CSS classes.
        about: told to whoever points at it.
    """
    title = f' title="{html.escape(about)}"' if about else ""
    return (
        f'<div class="{f"vl-kept {kind}".strip()}"{title}>{of}<span class="bar">{drawn}</span>'
        f"<span>{said}</span>{after}</div>"
    )


def _grouped(rows: Sequence[Kept]) -> Mapping[str, list[Kept]]:
    found: dict[str, list[Kept]] = {"Classes": [], "Columns of the table": [], **{title: [] for title in _GROUPS}}
    for row in rows:
        title = {"classes": "Classes", "column": "Columns of the table"}.get(row.kind)
        title = title or next((name for name, members in _GROUPS.items() if row.name in members), "More")
        title = "Light and colour" if title == "More" and row.name.startswith(INTENSITY) else title
        found.setdefault(title, []).append(row)
    return {title: group for title, group in found.items() if group}


def _sentence(rows: Sequence[Kept]) -> str:
    """What is kept best and what is lost most, in words."""
    best, lost = ([titled(row.name, row.kind) for row in some] for some in best_and_worst(rows))
    words = []
    if best:
        words.append(f"Keeps best: <b>{html.escape(in_a_row(best))}</b>.")
    if lost:
        words.append(f"Loses most: <b>{html.escape(in_a_row(lost))}</b>.")
    elif best:
        words.append("Nothing is lost by more than half.")
    return " ".join(words)


def _row(row: Kept, *, icc: bool, marks: Mapping[str, str] | None) -> str:
    name = titled(row.name, row.kind)
    drawn = _drawn(row.plain, row.value, row.against)
    drawn += f'<u style="left:{100 * row.low:.1f}%;width:{100 * (row.high - row.low):.1f}%"></u>'
    if icc and row.icc is not None:
        drawn += f'<b style="left:{100 * row.icc:.1f}%"></b>'
    said = whole_percent(row.share)
    if row.against is not None:
        said += f" <small>B {whole_percent(row.against / row.plain)}</small>"
    mark = "" if marks is None else _mark(row, name, marks)
    asks = f' data-about="{html.escape(row.name)}"' if mark and row.kind != "classes" else ""
    kind = " ".join(["twice"] * (row.against is not None) + ["marked"] * bool(mark))
    of = f"<span{asks}>{html.escape(name)}</span>"
    return bar_html(of, drawn, said, kind=kind, about=_about(row, name), after=mark)


def _drawn(plain: float | None, value: float | None, against: float | None) -> str:
    """The outline of no steps at all, the bar, and the thin bar of composition B where there is one."""
    drawn = f'<s style="width:{_percent(plain)}"></s><i style="width:{_percent(value)}"></i>'
    return drawn if against is None else f'{drawn}<em style="width:{_percent(against)}"></em>'


def _mark(row: Kept, title: str, marks: Mapping[str, str]) -> str:
    """What is wished of a thing, as a button that goes round: don't care, keep, ignore."""
    known = row.name if row.kind != "classes" or row.name in marks else CLASSES
    wish = marks.get(known, "")
    about = f"{title}: {wish or 'don’t care'}. A click: {_NEXT[wish]}."
    return (
        f'<button type="button" class="vl-mark" data-name="{html.escape(known)}" data-wish="{wish}" '
        f'title="{html.escape(about)}" aria-label="{html.escape(about)}">{wish or "–"}</button>'
    )


def _about(row: Kept, name: str) -> str:
    """A bar as sentences, for whoever points at it."""
    if row.kind == "classes":
        first = f"{name}: {row.value:.0%} of images are told their class rightly"
    else:
        first = f"{name}: {row.value:.0%} of its variance can be read"
    parts = [f"{first} (95 % interval {row.low:.0%} to {row.high:.0%}); {row.plain:.0%} without any steps."]
    if row.against is not None:
        parts.append(f"Under B: {row.against:.0%}.")
    if row.icc is not None:
        parts.append(f"ICC over views: {row.icc:.2f}.")
    about = descriptor(row.name) if row.kind == "descriptor" else None
    if about is not None:
        parts.append(about.sentence)
    return " ".join(parts)


def _legend(found: Forecast, icc: bool) -> str:
    parts = ["Numbers: kept, as a share of what the outline, no steps at all, tells."]
    if any(row.share > _MORE for row in found.kept if row.plain >= _TOLD):
        parts.append("More than 100 %: the views show more of it than the whole picture does, as a crop can.")
    if found.against is not None:
        parts.append("Thin bar: composition B.")
    if icc:
        parts.append("Ring: ICC." if any(row.icc is not None for row in found.kept) else "ICC comes when refined.")
    return " ".join(parts)


def harder_html(found: Forecast, label_ids: np.ndarray[Any, Any]) -> str:
    """The classes that lose most accuracy, ranked, the first few shown; "" where there are no classes.

    Args:
        label_ids: (N,) class of every image of the set.
    """
    counts = np.bincount(label_ids[found.image_ids].clip(min=0), minlength=len(found.classes))
    known = [(row, int(n)) for row, n in zip(found.classes, counts, strict=False) if _change(row) is not None]
    if not known:
        return ""
    lost = sorted((entry for entry in known if _is_harder(*entry)), key=lambda entry: _change(entry[0]) or 0.0)
    head = '<div class="vl-group">Classes that become harder</div>'
    if not lost:
        return f'{head}<p class="vl-quiet">None by more than chance explains ({_among(known)}).</p>'
    rows = [_class_row(row, n) for row, n in lost]
    rest = "".join(rows[_MOST_HARDER:])
    more = f"<details><summary>{len(rows) - _MOST_HARDER} more</summary>{rest}</details>" if rest else ""
    return f"{head}{''.join(rows[:_MOST_HARDER])}{more}"


def pairs_html(found: Forecast, label_ids: np.ndarray[Any, Any]) -> str:
    """Pairs of classes that are taken for one another more often, ranked; "" where there are none.

    Args:
        label_ids: (N,) class of every image of the set.
    """
    counts = np.bincount(label_ids[found.image_ids].clip(min=0), minlength=len(found.classes))
    of = {row.name: int(n) for row, n in zip(found.classes, counts, strict=False)}
    rows = [
        _pair_row(row)
        for row in found.pairs
        if row.confused - row.plain > _beyond_chance(row.confused, row.plain, of.get(row.a, 0) + of.get(row.b, 0))
    ]
    if not rows:
        return ""
    return f'<div class="vl-group">Taken for one another more often</div>{"".join(rows[:_MOST_HARDER])}'


def _pair_row(row: PairKept) -> str:
    name = f"{row.a} and {row.b}"
    told = f"{name}: {row.confused:.0%} of them are taken for the other, {row.plain:.0%} without any steps"
    drawn, said = _drawn(row.plain, row.confused, row.against), f"{_points(row.confused - row.plain)} points"
    return bar_html(f"<span>{html.escape(name)}</span>", drawn, said, kind="pair", about=told)


def _beyond_chance(one: float, other: float, n: int) -> float:
    """A standard error of the difference of two shares of n images, 3 points at least."""
    return max(_LEAST_CHANGE, math.sqrt((one * (1 - one) + other * (1 - other)) / max(n, 1)))


def _among(known: Sequence[tuple[ClassKept, int]]) -> str:
    return f"{min(n for _, n in known)} to {max(n for _, n in known)} images of each class were asked"


def _change(row: ClassKept) -> float | None:
    return None if row.accuracy is None or row.plain is None else row.accuracy - row.plain


def _is_harder(row: ClassKept, n: int) -> bool:
    """Whether a class loses more than one standard error of the two shares, and 3 points."""
    return (_change(row) or 0.0) < -_beyond_chance(row.accuracy or 0.0, row.plain or 0.0, n)


def _class_row(row: ClassKept, n: int) -> str:
    told = f"{row.name}: accuracy {row.accuracy:.0%}, {row.plain:.0%} without any steps, of {frame.count(n, 'image')}"
    drawn, said = _drawn(row.plain, row.accuracy, row.against), f"{_points(_change(row) or 0.0)} points"
    return bar_html(f"<span>{html.escape(row.name)}</span>", drawn, said, about=told)


def steps_html(found: Forecast, steps: Sequence[StepCost], waiting: Sequence[str] = ()) -> str:
    """Each step, and what would be told better or worse without it, in points of R² or accuracy.

    Args:
        waiting: the steps whose turn has not come.
    """
    rows = {row.name: row for row in found.kept if max(row.plain, row.value) >= _TOLD}
    parts = []
    for step in steps:
        changes = [(step.kept[name] - row.value, row) for name, row in rows.items() if name in step.kept]
        changes = sorted((c for c in changes if abs(c[0]) >= _LEAST_CHANGE), key=lambda c: -abs(c[0]))[:_MOST_CHANGES]
        said = ", ".join(
            f"{html.escape(titled(row.name, row.kind))} <b>{_points(change)}</b>" for change, row in changes
        )
        parts.append(
            f'<div class="vl-step">{html.escape(step.step[:1].upper() + step.step[1:])}'
            f"<span>without it {said or 'nothing changes by more than 3 points'}</span></div>"
        )
    for name in waiting:
        parts.append(f'<div class="vl-step">{html.escape(name[:1].upper() + name[1:])}<span>without it …</span></div>')
    return "".join(parts)


def _points(change: float) -> str:
    return f"{100 * change:+.0f}".replace("-", "−")


def _percent(share: float | None) -> str:
    return f"{100 * (share or 0.0):.1f}%"
