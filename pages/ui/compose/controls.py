"""The widgets of a step and its settings, made from the table of transforms: nothing here knows a transform by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.compose import files as drafts
from pages.ui.kit import choices, frame
from ssrl_core.figures.style import whole_percent
from ssrl_core.specs.composition import Branch, Step
from ssrl_core.specs.parameters import Parameter, shown
from ssrl_core.specs.transforms import TRANSFORMS

Apply = Callable[[Any], None]
_MANY_STEPS = 100
Edit = Callable[[Step], Step]
ApplyEdit = Callable[[Edit], None]


def setting(row: Parameter, value: Any, *, key: str, apply: Apply) -> None:
    """The widget that edits one setting.

    Args:
        row: the setting's row: kind, bounds, unit, sentence.
        value: what it is now.
        key: of the widget, unique on the page.
        apply: called with the new value when the user changes it.
    """
    _DRAW[row.kind](row, value, key, apply)


def label(row: Parameter) -> str:
    """A setting's name with its unit: "Scale (of the area)", "Brightness ±"."""
    name = row.name.replace("_", " ").capitalize()
    if row.unit in ("", "°"):  # degrees stand beside the slider's number
        return name
    return f"{name} ±" if row.unit == "±" else f"{name} ({row.unit})"


def scale(row: Parameter, value: Any, *, low: float | None = None) -> tuple[float, float, float]:
    """(lowest, highest, step) of a slider on which `value` is a stop.

    The end is the rule's bound, or less where that would leave the slider too coarse to set; a value beyond it moves
    the end, and any allowed value can be written under "As text". A slider counts its stops from its lowest one, so
    that one is a multiple of the step.
    """
    values = [float(v) for v in (value if isinstance(value, tuple) else (value,))]
    top = row.high
    if row.unit != "°" and (row.high - row.low) / row.step > _MANY_STEPS:
        default = row.default if isinstance(row.default, tuple) else (row.default,)
        top = min(row.high, max(4 * float(default[-1] or 0), 40 * row.step))
    step = row.step
    while step > row.step / 1000 and any(abs(v / step - round(v / step)) > 1e-6 for v in values):
        step = float(f"{step / 10:.1g}")
    least = min([row.low if low is None else low, *values])
    return step * math.floor(least / step + 1e-9), max([top, *values]), step


def log_stops(row: Parameter, value: tuple[float, float]) -> list[float]:
    """Stops of a logarithmic slider, with the ends of `value` among them."""
    even = (float(f"{stop:.2g}") for stop in np.geomspace(row.low, row.high, 60))
    return sorted({*even, 1.0, row.low, row.high, *row.default, *value})


def _slider(row: Parameter, value: Any, key: str, apply: Apply, *, words: str = "", low: float | None = None) -> None:
    least, most, step = scale(row, value, low=low)
    lowest = row.low if low is None else low

    def take() -> None:
        chosen = st.session_state[key]
        apply(tuple(max(v, lowest) for v in chosen) if isinstance(chosen, tuple) else max(chosen, lowest))

    choices.show(key, value)
    st.slider(
        words or label(row), least, most, step=step, key=key, format=_format(row), help=row.sentence, on_change=take
    )


def _range(row: Parameter, value: tuple[float, float], key: str, apply: Apply) -> None:
    if not row.log:
        _slider(row, value, key, apply)
        return
    key = _turned(key, value)
    stops = log_stops(row, value)
    st.select_slider(label(row), stops, value, key=key, format_func=shown, help=row.sentence, **_on(key, apply))


def _turned(key: str, value: Any) -> str:
    """`key` with a number that grows when the value was changed from outside: a select slider takes a range only as its
    first value, so that an undo needs a new one."""
    counter = f"{key}-turn"
    turn = st.session_state.setdefault(counter, 0)
    if st.session_state.get(f"{key}-{turn}", value) != value:
        turn = st.session_state[counter] = turn + 1
    return f"{key}-{turn}"


def _amplitude(row: Parameter, value: Any, key: str, apply: Apply) -> None:
    """± one number, or the lowest and highest of what is drawn; a button changes between the two."""
    paired = isinstance(value, tuple)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall", wrap=False):
        if paired:
            words = f"{row.name.replace('_', ' ').capitalize()}, lowest and highest"
            low = row.low if row.pair_low is None else row.pair_low
            _slider(row, value, f"{key}-pair", apply, words=words, low=low)
        else:
            _slider(row, float(value), key, apply)
        help_ = "Back to one number" if paired else "Give the lowest and the highest instead of one number"
        other = _one_from(row, value) if paired else _pair_from(row, value)
        icon = ":material/commit:" if paired else ":material/width:"
        st.button("", key=f"{key}-mode", icon=icon, type="tertiary", help=help_, on_click=apply, args=(other,))


def _pair_from(row: Parameter, value: float) -> tuple[float, float]:
    """The range that a plain amplitude means: ±x, or factors of 1 ± x."""
    low = row.low if row.pair_low is None else row.pair_low
    high = row.high if row.pair_high is None else row.pair_high
    return (-value, value) if low < 0 else (max(low, 1 - value), min(high, 1 + value))


def _one_from(row: Parameter, value: tuple[float, float]) -> float:
    """The amplitude whose range holds this one."""
    middle = 0.0 if row.pair_low is None or row.pair_low < 0 else 1.0
    return min(max(abs(v - middle) for v in value), row.high)


def _number(row: Parameter, value: float, key: str, apply: Apply) -> None:
    _slider(row, float(value), key, apply)


def _integer(row: Parameter, value: int, key: str, apply: Apply) -> None:
    choices.show(key, value)
    st.number_input(label(row), int(row.low), int(row.high), step=1, key=key, help=row.sentence, **_on(key, apply))


def _choice(row: Parameter, value: str, key: str, apply: Apply) -> None:
    choices.show(key, value)
    st.segmented_control(
        label(row), row.options, key=key, help=row.sentence, required=True, format_func=_capital, **_on(key, apply)
    )


def _boolean(row: Parameter, value: bool, key: str, apply: Apply) -> None:
    choices.show(key, value)
    st.toggle(label(row), key=key, help=row.sentence, **_on(key, apply))


def _fill(row: Parameter, value: Any, key: str, apply: Apply) -> None:
    """A brightness, or one of the words."""
    if not row.options:
        _number(row, value, key, apply)
        return
    words = ("number", *row.options)
    choices.show(f"{key}-word", value if isinstance(value, str) else "number")

    def take() -> None:
        word = st.session_state[f"{key}-word"]
        apply(float(row.default if not isinstance(row.default, str) else row.low) if word == "number" else word)

    st.segmented_control(
        label(row), words, key=f"{key}-word", help=row.sentence, required=True, format_func=_capital, on_change=take
    )
    if not isinstance(value, str):
        _number(row, value, key, apply)


def _capital(word: str) -> str:
    return word.capitalize()


def _format(row: Parameter) -> str:
    return "%g°" if row.unit == "°" else "%.3g"


def _take(key: str, apply: Apply) -> None:
    apply(st.session_state[key])


def _on(key: str, apply: Apply) -> dict[str, Any]:
    return {"on_change": _take, "args": (key, apply)}


_DRAW: dict[str, Callable[[Parameter, Any, str, Apply], None]] = {
    "range": _range,
    "amplitude": _amplitude,
    "number": _number,
    "integer": _integer,
    "choice": _choice,
    "boolean": _boolean,
    "fill": _fill,
}


def card_label(step: Step) -> str:
    """A card in one line: icon, name, and the sentence of its parameters without the name said twice."""
    row = TRANSFORMS.get(step.transform)
    title, icon = (row.title, row.icon) if row else ("One of", "alt_route")
    sentence = step.sentence()
    for opening in (f"{title.lower()}: ", f"{title.lower()}, ", f"{title.lower()} "):
        if sentence.lower().startswith(opening):
            sentence = sentence[len(opening) :]
            break
    return f":material/{icon}: **{title}**&ensp;:gray[{sentence}]"


def new_step(name: str) -> Step:
    """A step with the table's defaults, and something to see where these change nothing."""
    if name == "choice":
        flips = (Branch(1.0, (Step("horizontal_flip"),)), Branch(1.0, (Step("vertical_flip"),)))
        return Step("choice", branches=flips)
    row = TRANSFORMS[name]
    return Step(name, p=1.0 if row.parameters else 0.5, settings=dict(row.begins_with))


def edit_step(step: Step, key: str, apply: ApplyEdit) -> None:
    """Probability and settings of a step; `apply` takes the function that edits it."""
    p_key = f"{key}-p"
    choices.show(p_key, step.p)
    st.slider(
        "How often",
        0.0,
        1.0,
        step=0.05,
        format="percent",
        key=p_key,
        help="The probability p that the step is applied to a view.",
        on_change=lambda: apply(lambda old: replace(old, p=st.session_state[p_key])),
    )
    row = TRANSFORMS.get(step.transform)
    if row is None:
        _edit_branches(step, key, apply)
        return
    for parameter in row.parameters:
        setting(
            parameter, step[parameter.name], key=f"{key}-{parameter.name}", apply=_setting_edit(apply, parameter.name)
        )
    if row.once:
        _once_toggle(step, f"{key}-once", apply)


def _once_toggle(step: Step, key: str, apply: ApplyEdit) -> None:
    """Whether all views of a run have the same size."""
    names = TRANSFORMS[step.transform].once
    choices.show(key, bool(step.once))
    st.toggle(
        "One value for the whole run",
        key=key,
        help="Drawn once when a training begins, and then the same for every view of every image.",
        on_change=lambda: apply(lambda old: replace(old, once=names if st.session_state[key] else ())),
    )


def _setting_edit(apply: ApplyEdit, name: str) -> Apply:
    return lambda value: apply(lambda old: drafts.set_value(old, name, value))


def _edit_branches(step: Step, key: str, apply: ApplyEdit) -> None:
    """The alternatives of a choice, each with its weight and its steps; any of them can be added and taken away."""
    total = sum(branch.weight for branch in step.branches) or 1.0
    for number, branch in enumerate(step.branches):
        with st.container(border=True, gap="xsmall", key=f"{key}-{number}-alternative"):
            _branch_head(step, number, f"{key}-{number}", branch.weight / total, apply)
            for place, inner in enumerate(branch.steps):
                _inner_step(inner, f"{key}-{number}-{place}", number, place, apply)
            _add_inner(f"{key}-{number}-add", number, apply)
    frame.action(
        "Another alternative",
        "add",
        apply,
        lambda old: replace(old, branches=(*old.branches, Branch(1.0, ()))),
        key=f"{key}-more",
    )


def _branch_head(step: Step, number: int, key: str, share: float, apply: ApplyEdit) -> None:
    weight_key = f"{key}-weight"
    choices.show(weight_key, float(step.branches[number].weight))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall", wrap=False):
        st.number_input(
            f"Alternative {number + 1}: weight ({whole_percent(share)})",
            min_value=0.0,
            step=0.1,
            key=weight_key,
            on_change=lambda: apply(lambda old: drafts.set_branch(old, number, weight=st.session_state[weight_key])),
        )
        frame.action(
            "",
            "delete",
            apply,
            lambda old: replace(old, branches=old.branches[:number] + old.branches[number + 1 :]),
            key=f"{key}-remove",
            type="tertiary",
            help="Remove this alternative",
            disabled=len(step.branches) == 1,
        )


def _inner_step(inner: Step, key: str, number: int, place: int, apply: ApplyEdit) -> None:
    def within(edit: Callable[[Step], tuple[Step, ...]]) -> None:
        apply(lambda old: drafts.set_inner(old, number, place, edit))

    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", wrap=False):
        st.markdown(card_label(inner), width="stretch")
        frame.action(
            "",
            "close",
            within,
            lambda old: (),
            key=f"{key}-remove",
            type="tertiary",
            help="Take this step out of the alternative",
        )
    edit_step(inner, key, lambda edit: within(lambda old: (edit(old),)))


def _add_inner(key: str, number: int, apply: ApplyEdit) -> None:
    """A list of transforms; the chosen one becomes the alternative's last step."""

    def take() -> None:
        name = st.session_state[key]
        st.session_state[key] = None
        if name is not None:
            apply(lambda old: drafts.set_branch(old, number, steps=(*old.branches[number].steps, new_step(name))))

    st.selectbox(
        "Add a step to it",
        list(TRANSFORMS),
        index=None,
        key=key,
        format_func=lambda name: TRANSFORMS[name].title,
        placeholder="Add a step to this alternative",
        label_visibility="collapsed",
        on_change=take,
    )
