"""Everything that the sentence does not say: the method's settings, optimizer, evaluation, what is kept. Folded."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.ui.train import draft as train_draft
from pages.ui.train import state
from ssrl_core.analysis.layouts import LAYOUTS
from ssrl_core.specs.methods import PRETRAINED, method_row
from ssrl_core.specs.parameters import Parameter
from ssrl_core.specs.recipes import RECIPES
from ssrl_core.specs.run import (
    HEADS,
    KEEP_SETTINGS,
    KNN_SETTINGS,
    LINEAR_SETTINGS,
    OPTIMIZER_SETTINGS,
    RUN_SETTINGS,
    SCHEDULE_SETTINGS,
)

_WORDS = {
    "lr": "learning rate",
    "lr_scaling": "learning rate scaling",
    "warmup_lr": "warm-up learning rate",
    "warmup_epochs": "warm-up epochs",
    "final_lr": "final learning rate",
    "name": "kind",
    "mode": "linear evaluation",
    "heads": "projectors of the terms",
    "k": "kNN neighbours",
}
_MOST_K = 30
_OWN = "own"
_SHARES = (0.01, 0.1, 0.5, 1.0)


def settings(draft: train_draft.Draft) -> None:
    """The folded settings."""
    with st.expander("All settings", icon=":material/tune:"):
        name = draft["method"]["name"]
        row = method_row(name)
        st.html(f'<p class="vl-quiet">{row.title[0].upper()}{row.title[1:]}. {row.sentence} {row.paper}</p>')
        if row is not PRETRAINED:
            _recipe(draft)
        _grid("method", list(row.settings), draft["method"])
        st.html('<div class="vl-group" style="margin-left:0">Network</div>')
        _network(draft)
        st.html('<div class="vl-group" style="margin-left:0">Optimizer</div>')
        _grid("optimizer", list(OPTIMIZER_SETTINGS), draft["optimizer"])
        st.html('<div class="vl-group" style="margin-left:0">Learning rate over the run</div>')
        _grid("schedule", list(SCHEDULE_SETTINGS), draft["schedule"])
        st.html('<div class="vl-group" style="margin-left:0">Afterwards</div>')
        _evaluation(draft)
        st.html('<div class="vl-group" style="margin-left:0">Machine and name</div>')
        _machine(draft)


def _network(draft: train_draft.Draft) -> None:
    """Stem and weights to start from."""
    first, second, *_ = st.columns([1, 3])
    with first:
        _choose("backbone.stem", "Stem", ["auto", "small", "standard"], draft["backbone"]["stem"])
    with second:
        key = state.show("train-backbone.weights", draft["backbone"]["weights"] or "")
        st.text_input(
            "Weights to start from",
            key=key,
            placeholder="none",
            help="Empty for a new network; imagenet; or the path of a .safetensors file or a .pth (read weights-only).",
            on_change=state.take,
            args=("backbone.weights", key),
        )


def _recipe(draft: train_draft.Draft) -> None:
    """Whole sets of settings; with several terms, whether they share their heads."""
    first, second, *_ = st.columns(4)
    with first:
        chosen = train_draft.recipe_name(draft) or _OWN
        options = train_draft.recipes_for(draft) + ([_OWN] if chosen == _OWN else [])
        key = state.show("train-recipe", chosen)
        st.selectbox(
            "Settings",
            options,
            key=key,
            format_func=lambda name: RECIPES[name].title if name in RECIPES else "Own",
            help=" ".join(f"{row.title}: {row.sentence}" for row in RECIPES.values()),
            on_change=state.take_recipe,
            args=(key,),
        )
    if len(draft["terms"]) > 1:
        with second:
            widget("heads", HEADS, draft["heads"])


def _grid(group: str, rows: list[Parameter], values: dict[str, Any]) -> None:
    """Widgets for table rows, four in a line."""
    for start in range(0, len(rows), 4):
        for column, row in zip(st.columns(4), rows[start : start + 4], strict=False):
            with column:
                widget(f"{group}.{row.name}", row, values.get(row.name))


def widget(path: str, row: Parameter, value: Any) -> None:
    """One setting as its table row describes it."""
    label = _WORDS.get(row.name, row.name.replace("_", " ")).capitalize()
    key = state.show(f"train-{path}", value)
    common: dict[str, Any] = {"key": key, "help": row.sentence, "on_change": state.take, "args": (path, key)}
    if row.kind == "choice":
        st.selectbox(label, row.options, **common)
    elif row.kind == "integer":
        st.number_input(label, min_value=int(row.low), max_value=int(row.high), step=1, **common)
    else:
        st.number_input(
            label, min_value=float(row.low), max_value=float(row.high), step=_step(row, value), format="%g", **common
        )


def _step(row: Parameter, value: Any) -> float:
    """A step that fits the value's size: a tenth of it, else the table's."""
    return float(f"{value / 10:.0e}") if isinstance(value, float) and 0 < value < 10 * row.step else float(row.step)


def _evaluation(draft: train_draft.Draft) -> None:
    asked = draft["evaluate"]
    first, second, third, fourth = st.columns(4)
    with first:
        _choose("evaluate.split", "Measured on", ["test", "val", "train"], asked["split"])
    with second:
        key = state.show("train-evaluate.clusters", list(asked["clusters"]))
        counts = sorted({*range(2, _MOST_K + 1), *asked["clusters"]})
        _several("evaluate.clusters", "Numbers of clusters", counts, key)
    with third:
        key = state.show("train-evaluate.layouts", list(asked["layouts"]))
        _several("evaluate.layouts", "Maps", list(LAYOUTS), key, lambda name: LAYOUTS[name].title)
    with fourth:
        widget("evaluate.knn.k", KNN_SETTINGS[0], asked["knn"]["k"])
    first, second, *_ = st.columns(4)
    with first:
        shares = [float(share) for share in asked["finetune"]]
        key = state.show("train-evaluate.finetune", shares)
        known = sorted({*_SHARES, *shares})
        _several("evaluate.finetune", "Fine-tuned with labels", known, key, lambda s: f"{100 * s:g} %")
    with second:
        if asked["linear"] is not None:
            widget("evaluate.linear.mode", LINEAR_SETTINGS[0], asked["linear"]["mode"])


def _machine(draft: train_draft.Draft) -> None:
    first, second, third, fourth = st.columns(4)
    with first:
        _choose(
            "device", "Device", list(dict.fromkeys(["auto", "cpu", "cuda", "mps", draft["device"]])), draft["device"]
        )
    with second:
        widget("precision", RUN_SETTINGS[-1], draft["precision"])
    with third:
        widget("keep.embedding", KEEP_SETTINGS[0], draft["keep"]["embedding"])
    with fourth:
        key = state.show("train-name", draft["name"] or "")
        st.text_input("Name of the run", key=key, on_change=state.take, args=("name", key), help="Free text.")


def _choose(path: str, label: str, options: list[str], value: str) -> None:
    key = state.show(f"train-{path}", value)
    st.selectbox(label, options, key=key, on_change=state.take, args=(path, key))


def _several(path: str, label: str, options: list[Any], key: str, shown: Any = str) -> None:
    st.multiselect(label, options, key=key, format_func=shown, on_change=state.take, args=(path, key))
