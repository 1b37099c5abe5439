"""Each claim of an item: its verdict in a word, the difference with its interval as numbers and as a line."""

from __future__ import annotations

import html
from typing import Any

import streamlit as st

from pages.ui.kit import frame
from pages.ui.kit.theme import ACCENT, DANGER, INK, LINE, PANEL, QUIET, WARNING
from ssrl_core.paper import words

COLOURS = {"shown": ACCENT, "reversed": DANGER, "not shown": WARNING, "not run": QUIET}
MEANS = {
    "shown": "the whole 95 % interval lies on the paper's side",
    "not shown": "0 lies in the interval, or there is one seed only",
    "reversed": "the whole interval lies on the other side",
    "not run": "there are no results yet",
}
_MOST_WAITING = 4
_HOW = (
    "Line: the difference and its 95 % interval (Welch's t), in the direction that the paper claims; right of the bar "
    "is the paper's side. Shown: the whole interval lies there. Reversed: it lies left. Not shown: it crosses the bar, "
    "or there is one seed."
)
CSS = f"""
.paper-verdict {{ font-weight: 600; white-space: nowrap; }}
.paper-contrast {{ background: {PANEL}; border-radius: 6px; padding: .5rem .8rem; margin: 0 0 .4rem; line-height: 1.45;
  display: grid; grid-template-columns: 5.6rem minmax(0, 1fr) 11rem; gap: .1rem .8rem; align-items: baseline; }}
.paper-contrast .more {{ color: {QUIET}; font-size: .88rem; grid-column: 2; }}
.paper-contrast .line {{ grid-column: 3; grid-row: 1 / span 2; align-self: center; position: relative; height: 1.5rem;
  border-left: 0; }}
.paper-contrast .line u {{ position: absolute; left: 50%; top: 0; bottom: 0; width: 1px; background: {INK};
  opacity: .55; }}
.paper-contrast .line s {{ position: absolute; left: 0; right: 0; top: 50%; height: 1px; background: {LINE}; }}
.paper-contrast .line i {{ position: absolute; top: calc(50% - 1.5px); height: 3px; border-radius: 2px; }}
.paper-contrast .line b {{ position: absolute; top: calc(50% - 5px); width: 10px; height: 10px; margin-left: -5px;
  border-radius: 50%; }}
@media (max-width: 640px) {{
  .paper-contrast {{ grid-template-columns: minmax(0, 1fr); }}
  .paper-contrast .more, .paper-contrast .line {{ grid-column: 1; grid-row: auto; }}
}}
"""


def verdict_html(verdict: str, count: int | None = None) -> str:
    """A verdict in its colour, with how many claims have it; its meaning on hover."""
    told = verdict if count is None else f"{count} {verdict}"
    about = html.escape(f"{verdict}: {MEANS[verdict]}")
    return f'<span class="paper-verdict" style="color:{COLOURS[verdict]}" title="{about}">{html.escape(told)}</span>'


def summary_html(verdicts: list[str]) -> str:
    """`2 shown, 1 not shown`; one word where all claims have the same."""
    kinds = [kind for kind in COLOURS if kind in verdicts]
    if len(kinds) <= 1:
        return verdict_html(kinds[0] if kinds else "not run")
    return ", ".join(verdict_html(kind, verdicts.count(kind)) for kind in kinds)


def show(contrasts: list[dict[str, Any]]) -> None:
    """The claims of an item.

    Args:
        contrasts: of `running.compare`.
    """
    if not contrasts:
        return
    frame.section("Does it show?")
    waiting = [c for c in contrasts if c["verdict"] == "not run"]
    folded = waiting if len(waiting) > _MOST_WAITING else []
    first = [c for c in contrasts if c not in folded]
    if first:
        st.html("".join(_card(c, _reach(contrasts, c["unit"])) for c in first))
    if folded:
        with st.expander(f"{len(folded)} claims, not run yet", icon=":material/hourglass_empty:"):
            st.html("".join(_card(c, 1.0) for c in folded))
    told = words.glossary(f"{c['claim']} {c['unit']}" for c in contrasts)
    if any(c["difference"] is not None for c in contrasts):
        told.insert(0, _HOW)
    if told:
        st.html("".join(f'<div class="vl-quiet">{html.escape(line)}</div>' for line in told))


def _reach(contrasts: list[dict[str, Any]], unit: str) -> float:
    """The farthest end of all intervals of a unit, so that their lines can be compared."""
    ends = [abs(c[end]) for c in contrasts for end in ("low", "high", "difference") if c["unit"] == unit and c[end]]
    return max(ends, default=1.0) * 1.05


def _card(c: dict[str, Any], reach: float) -> str:
    return (
        f'<div class="paper-contrast">{verdict_html(c["verdict"])}<span>{html.escape(words.claim(c["claim"]))}</span>'
        f'<span class="more">{html.escape(words.difference(c))}</span>{_line(c, reach)}</div>'
    )


def _line(c: dict[str, Any], reach: float) -> str:
    """The interval as a line around 0; nothing where there is no difference."""
    if c["difference"] is None:
        return ""
    colour = COLOURS[c["verdict"]]
    dot = f'<b style="left:{_at(c["difference"], reach):.1f}%;background:{colour}"></b>'
    bar = ""
    if c["low"] is not None:
        left, right = _at(c["low"], reach), _at(c["high"], reach)
        bar = f'<i style="left:{left:.1f}%;width:{right - left:.1f}%;background:{colour}"></i>'
    return f'<span class="line"><s></s><u></u>{bar}{dot}</span>'


def _at(value: float, reach: float) -> float:
    return 50 + 50 * value / reach
