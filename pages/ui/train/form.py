"""The run as a sentence that can be edited: train *this* with *that* on *those images* under *these* compositions."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from pages.ui.kit import frame
from pages.ui.train import draft as train_draft
from pages.ui.train import state
from ssrl_core.specs.backbones import BACKBONES
from ssrl_core.specs.composition import preset_names, saved_names
from ssrl_core.specs.methods import METHODS, PRETRAINED, method_row

CSS = """
[class*="st-key-train-line"] { row-gap: .55rem; column-gap: .5rem; }
[class*="st-key-train-line"] [data-testid="stMarkdownContainer"] p { font-size: 1.06rem; white-space: nowrap; }
[class*="st-key-train-line"] [data-baseweb="select"] * , [class*="st-key-train-line"] input { font-weight: 600; }
[class*="st-key-train-line"] [data-testid="stNumberInputStepDown"],
[class*="st-key-train-line"] [data-testid="stNumberInputStepUp"] { display: none; }
"""
_MOST_TERMS = 4


def sentence(draft: train_draft.Draft) -> None:
    """The sentence, three lines: what learns, on what, under which transformations."""
    with _line("what"):
        st.markdown("Train")
        network = draft["backbone"]["name"]
        _select("backbone.name", list(dict.fromkeys([*BACKBONES, network])), 172, network, _network_title)
        st.markdown("with")
        methods = [*METHODS, PRETRAINED.name]
        _select("method.name", methods, 172, draft["method"]["name"], lambda name: method_row(name).title)
        st.markdown("on")
        _dataset(draft)
    _terms(draft)
    trained = draft["method"]["name"] != PRETRAINED.name
    with _line("how"):
        st.markdown("for" if trained else "measured with")
        if trained:
            _number("epochs", draft["epochs"], 92, low=1)
            st.markdown("epochs of")
        _number("limit_train", draft["limit_train"], 104, low=2, empty="all", help="Train images; empty takes all.")
        if trained:
            st.markdown("images, in batches of")
            _number("batch_size", draft["batch_size"], 92, low=2)
        else:
            st.markdown("labelled images")
        st.markdown("with seeds")
        _seeds(draft)
    for place in ("terms", "seeds", "address"):
        words = state.said(place)
        if words is not None and not isinstance(words, str):
            frame.show_error(words)


def _network_title(name: str) -> str:
    return BACKBONES[name].title if name in BACKBONES else name


def _terms(draft: train_draft.Draft) -> None:
    several = len(draft["terms"]) > 1
    saved = list(saved_names())
    names = saved + [name for name in preset_names() if name not in saved]
    for number in range(len(draft["terms"])):
        with _line(f"term-{number}"):
            st.markdown("under" if number == 0 else "and")
            _composition(draft, number, names)
            if several:
                st.markdown("×")
                _number(f"terms.{number}.weight", draft["terms"][number]["weight"], 84, low=0.0)
                st.button(
                    "",
                    icon=":material/close:",
                    type="tertiary",
                    key=f"train-remove-{number}",
                    help="Leave this composition out",
                    on_click=partial(state.edit, "terms", train_draft.remove_term, number),
                )
            if number == len(draft["terms"]) - 1 and number + 1 < _MOST_TERMS:
                st.button(
                    "Weigh with another" if not several else "One more",
                    icon=":material/add:",
                    type="tertiary",
                    key="train-add-term",
                    help="The loss becomes a weighted sum: one term for each composition.",
                    on_click=partial(state.edit, "terms", train_draft.add_term, names[0]),
                )


def _composition(draft: train_draft.Draft, term: int, names: list[str]) -> None:
    name, known = train_draft.composition_name(draft, term)
    label = name if known else f"{name} (as in its file)"
    options = names if known else [label, *names]
    key = state.show(f"train-term-{term}", label)
    st.selectbox(
        "Composition",
        options,
        key=key,
        width=288,
        label_visibility="collapsed",
        on_change=state.take_composition,
        args=(term, key),
    )


def _dataset(draft: train_draft.Draft) -> None:
    from ssrl_core.datasets import store as image_sets

    name = draft["dataset"]["name"]
    names = image_sets.names()
    _select("dataset.name", names if name in names else [name, *names], 196, name, str)


def _seeds(draft: train_draft.Draft) -> None:
    key = state.show("train-seeds", train_draft.seeds_text(draft["seeds"]))
    st.text_input(
        "Seeds",
        key=key,
        width=104,
        label_visibility="collapsed",
        help="5, or 5–9 for five runs, or 5, 7.",
        on_change=state.take_seeds,
        args=(key,),
    )


def _line(name: str) -> Any:
    return st.container(horizontal=True, vertical_alignment="center", key=f"train-line-{name}")


def _select(path: str, options: list[str], width: int, value: str, shown: Any) -> None:
    key = state.show(f"train-{path}", value)
    st.selectbox(
        path,
        options,
        key=key,
        width=width,
        format_func=shown,
        label_visibility="collapsed",
        on_change=state.take,
        args=(path, key),
    )


def _number(
    path: str, value: float | None, width: int, *, low: float, empty: str | None = None, help: str | None = None
) -> None:
    key = state.show(f"train-{path}", value)
    st.number_input(
        path,
        min_value=low,
        step=1 if isinstance(low, int) else 0.1,
        key=key,
        width=width,
        placeholder=empty,
        help=help,
        label_visibility="collapsed",
        on_change=state.take,
        args=(path, key),
    )
