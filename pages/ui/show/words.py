"""What the Show page says in words: which cells these are, where a group is more frequent, which dose changes it."""

from __future__ import annotations

import html
from functools import partial

import streamlit as st

from pages.ui.show.pictures import Look, colours_of
from pages.ui.show.scene import UNTREATED, Group, Told, present, replicates
from ssrl_core.analysis.dose_changes import Change, changes
from ssrl_core.figures.style import percent

_MOST_NAMED = 3
_CLEARLY = 0.01  # a change that may be smaller than a point is not told
_ABOUT = 0.05  # the largest change that "about as frequent" may hide


def lead(told: Told) -> str:
    """How many cells of what, under which compounds, in how many groups."""
    shown, things = int((told.kept & (told.ids >= 0)).sum()), told.things
    imageset, results = told.scene.imageset, told.scene.results
    treated = [name for name in present(told) if name != UNTREATED]
    under = f" under {_and([html.escape(name) for name in treated])}" if 0 < len(treated) <= 4 else ""
    under = f" under {len(treated)} compounds" if len(treated) > 4 else under
    if treated and told.control.any():
        under += " or untreated"
    held_back = results.split in ("test", "val") and len(told.ids) < imageset.count
    unseen = f" They are {things} that the computer had not learned from." if held_back else ""
    return (
        f"{shown:,} {things} of <b>{html.escape(imageset.title)}</b>{under}, sorted by a computer into "
        f"{len(told.groups)} groups of {things} that look alike. Each gallery begins with the most typical {things} "
        f"of its group.{unseen}"
    )


def stains(told: Told, look: Look) -> str:
    """Which colour is which stain; nothing where there is one."""
    shown = [c for c in colours_of(told.scene.imageset, look) if c.name in look.shown]
    if len(shown) < 2:
        return ""
    dots = "".join(f'<span><i style="background:{c.colour}"></i>{html.escape(c.name)}</span>' for c in shown)
    return f'<div class="vl-stains">{dots}</div>'


def more_under(told: Told, group: Group) -> str:
    """Under which compounds a group is clearly more or less frequent than among untreated cells."""
    found = [change for change in _changes(told, each_dose=False) if change.group == group.number]
    sure = [change for change in found if change.least > _CLEARLY]
    if not found:
        return ""
    if not sure:
        known = max(change.most for change in found) <= _ABOUT
        return (
            f"As frequent under every compound as among untreated cells, within {percent(_ABOUT)[:-1].strip()} points."
            if known
            else "No clear difference between any compound and untreated cells."
        )
    more = _under("more", [c for c in sure if c.share > c.untreated])
    less = _under("less", [c for c in sure if c.share < c.untreated])
    said = "; ".join(filter(None, [more, less]))
    ends = dict.fromkeys(percent(round(end([c.untreated for c in sure]), 2)) for end in (min, max))
    return f"{said[0].upper()}{said[1:]} than among untreated cells of the same plates ({' to '.join(ends)})."


def _under(word: str, some: list[Change]) -> str:
    named = _and([f"{html.escape(c.compound)} ({percent(round(c.share, 2))})" for c in some[:_MOST_NAMED]])
    return f"{word} frequent under {named}" if some else ""


def most_changed(told: Told) -> Change | None:
    """The group, compound and dose of the largest clear change; None where no dose changes anything clearly."""
    here = {group.number for group in told.groups}
    found = [change for change in _changes(told, each_dose=True) if change.group in here]
    return found[0] if found and found[0].least > _CLEARLY else None


def dose_words(told: Told, group: Group, first: Change | None) -> str:
    """What the dose does to a group, and why the page begins with it.

    Args:
        first: the largest change of all groups.
    """
    name = f"<b>{html.escape(group.name)}</b>"
    own = next((c for c in _changes(told, each_dose=True) if c.group == group.number and c.least > _CLEARLY), None)
    if own is None:
        none = (
            "No group's share changes clearly with a dose. Shown: "
            if first is None
            else "No clear change with a dose: "
        )
        return f"{none}{name}."
    why = f"Of all groups, {name} changes most" if first == own else f"{name} changes most"
    return (
        f"{why} under <b>{html.escape(own.compound)}</b>: from {percent(round(own.untreated, 2))} of the untreated "
        f"{told.things} to {percent(round(own.share, 2))} at {own.dose:g} {html.escape(told.unit)} "
        f"({own.cells:,} {told.things})."
    )


class _Held:
    """What is told, as an argument of a cached function whose key names it."""

    def __init__(self, told: Told) -> None:
        self.told = told
        self.key = (told.scene.run_id, told.scene.stamp, told.clustering.k, told.looked_at)


def _changes(told: Told, *, each_dose: bool) -> list[Change]:
    if told.doses is None or told.compounds is None or not told.control.any():
        return []
    return _found(_Held(told), each_dose)


@st.cache_data(max_entries=24, show_spinner=False, hash_funcs={_Held: lambda held: held.key})
def _found(held: _Held, each_dose: bool) -> list[Change]:
    told = held.told
    assert told.doses is not None
    assert told.compounds is not None
    rows = told.kept & (told.ids >= 0)
    names = [name for name in present(told) if name != UNTREATED]
    find = partial(changes, each_dose=each_dose)
    wells = None if told.wells is None else told.wells[rows]
    return find(
        told.ids[rows],
        told.compounds[rows],
        told.doses[rows],
        replicates(told)[rows],
        names,
        told.clustering.k,
        wells=wells,
    )


def _and(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
