"""The widgets of one step: how often, its settings, and the alternatives of a choice, however deep the recipe is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from pages.ui.compose import draft as drafts
from pages.ui.compose import state
from pages.ui.compose.controls import control
from ssrl_core.specs.composition import Branch, Step
from ssrl_core.specs.transforms import TRANSFORMS

Edit = Callable[[Step], Step]
Apply = Callable[[Edit], None]


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
    p = 1.0 if TRANSFORMS[name].parameters else 0.5
    return Step(name, p=p)


def edit_step(step: Step, key: str, apply: Apply) -> None:
    """Probability and settings of a step; `apply` takes the function that edits it."""
    p_key = f"{key}-p"
    state.sync(p_key, step.p)
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
        name = parameter.name
        control(
            parameter,
            step[name],
            key=f"{key}-{name}",
            apply=lambda value, name=name: apply(lambda old: drafts.set_value(old, name, value)),
        )


def _edit_branches(step: Step, key: str, apply: Apply) -> None:
    """The alternatives of a choice, each with its weight and its steps; any of them can be added and taken away."""
    total = sum(branch.weight for branch in step.branches) or 1.0
    for number, branch in enumerate(step.branches):
        with st.container(border=True, gap="xsmall", key=f"{key}-{number}-alternative"):
            _branch_head(step, number, f"{key}-{number}", 100 * branch.weight / total, apply)
            for place, inner in enumerate(branch.steps):
                _inner_step(inner, f"{key}-{number}-{place}", number, place, apply)
            _add_inner(f"{key}-{number}-add", number, apply)
    st.button(
        "Another alternative",
        icon=":material/add:",
        key=f"{key}-more",
        on_click=apply,
        args=(lambda old: replace(old, branches=(*old.branches, Branch(1.0, ()))),),
    )


def _branch_head(step: Step, number: int, key: str, percent: float, apply: Apply) -> None:
    weight_key = f"{key}-weight"
    state.sync(weight_key, float(step.branches[number].weight))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall", wrap=False):
        st.number_input(
            f"Alternative {number + 1}: weight ({percent:.0f} %)",
            min_value=0.0,
            step=0.1,
            key=weight_key,
            on_change=lambda: apply(lambda old: drafts.set_branch(old, number, weight=st.session_state[weight_key])),
        )
        st.button(
            "",
            icon=":material/delete:",
            key=f"{key}-remove",
            type="tertiary",
            help="Remove this alternative",
            disabled=len(step.branches) == 1,
            on_click=apply,
            args=(lambda old: replace(old, branches=old.branches[:number] + old.branches[number + 1 :]),),
        )


def _inner_step(inner: Step, key: str, number: int, place: int, apply: Apply) -> None:
    def within(edit: Callable[[Step], tuple[Step, ...]]) -> None:
        apply(lambda old: drafts.set_inner(old, number, place, edit))

    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", wrap=False):
        st.markdown(card_label(inner), width="stretch")
        st.button(
            "",
            icon=":material/close:",
            key=f"{key}-remove",
            type="tertiary",
            help="Take this step out of the alternative",
            on_click=within,
            args=(lambda old: (),),
        )
    edit_step(inner, key, lambda edit: within(lambda old: (edit(old),)))


def _add_inner(key: str, number: int, apply: Apply) -> None:
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
