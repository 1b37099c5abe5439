"""The run as a sentence that can be edited (train *this* with *that* on *those images* …), and all its settings."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import streamlit as st

from pages.ui.kit import choices, frame
from pages.ui.train import actions
from pages.ui.train import draft as train_draft
from pages.ui.train.draft import DRAFT
from ssrl_core.runs.worker.estimate import has_gpu
from ssrl_core.specs.backbones import BACKBONES, BANKS
from ssrl_core.specs.methods import METHODS, SPECTRAL, UNTRAINED, method_row
from ssrl_core.specs.parameters import Parameter
from ssrl_core.specs.parts import LAYOUTS, Part, asked_for
from ssrl_core.specs.recipes import RECIPES, lacks
from ssrl_core.specs.run import (
    BACKBONE,
    COMPILE,
    CONDITION,
    DEVICES,
    EMBED,
    EMBEDS,
    HEADS,
    INPUT,
    INPUTS,
    KEEP_SETTINGS,
    OPTIMIZER_SETTINGS,
    RUN_SETTINGS,
    SCHEDULE_SETTINGS,
)

CSS = """
[class*="st-key-train-line"] { row-gap: .55rem; column-gap: .5rem; }
[class*="st-key-train-line"] [data-testid="stMarkdownContainer"] p { font-size: 1.06rem; white-space: nowrap; }
[class*="st-key-train-line"] [data-baseweb="select"] * , [class*="st-key-train-line"] input { font-weight: 600; }
[class*="st-key-train-line"] [data-testid="stNumberInputStepDown"],
[class*="st-key-train-line"] [data-testid="stNumberInputStepUp"] { display: none; }
"""
_MOST_TERMS = 4
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
_OWN = "own"
_SHOWN: dict[str, Callable[[Any], str]] = {
    "layouts": lambda name: LAYOUTS[name].title,
    "finetune": lambda share: f"{100 * share:g} %",
}


def sentence(draft: train_draft.Draft) -> None:
    """The sentence, three lines: what learns, on what, under which transformations."""
    with _line("what"):
        solved = draft["method"]["name"] == SPECTRAL.name
        st.markdown("Solve for" if solved else "Train")
        if solved:
            bank = draft["method"]["bank"]
            _select("Features", "method.bank", list(dict.fromkeys([*BANKS, bank])), 172, bank, _bank_title)
        else:
            network = draft["backbone"]["name"]
            names = list(dict.fromkeys([*BACKBONES, network]))
            _select("Network", "backbone.name", names, 172, network, _network_title)
        st.markdown("with")
        methods = [*METHODS, *UNTRAINED] if has_gpu() else [*reversed(UNTRAINED), *METHODS]
        _select(
            "Method",
            "method.name",
            methods,
            268 if solved else 172,
            draft["method"]["name"],
            lambda name: method_row(name).title,
        )
        st.markdown("on")
        _dataset(draft)
    _terms(draft)
    trained = draft["method"]["name"] not in UNTRAINED
    with _line("how"):
        st.markdown("for" if trained else "in closed form, without epochs, on" if solved else "measured with")
        if trained:
            _number("Epochs", "epochs", draft["epochs"], 92, low=1)
            st.markdown("epochs of")
        help_ = "Train images; empty takes all."
        _number("Images", "limit_train", draft["limit_train"], 104, low=2, placeholder="all", help=help_)
        if trained:
            st.markdown("images, in batches of")
            _number("Images in a batch", "batch_size", draft["batch_size"], 92, low=2)
        else:
            st.markdown("images" if solved else "labelled images")
        st.markdown("with seed" if len(draft["seeds"]) == 1 else f"with {len(draft['seeds'])} seeds,")
        _seeds(draft)
    for place in ("terms", "seeds", "address"):
        DRAFT.show_note(place)


def _bank_title(name: str) -> str:
    return BANKS[name].title if name in BANKS else name


def _network_title(name: str) -> str:
    return BACKBONES[name].title if name in BACKBONES else name


def _terms(draft: train_draft.Draft) -> None:
    several = len(draft["terms"]) > 1
    names = choices.composition_names()
    for number in range(len(draft["terms"])):
        with _line(f"term-{number}"):
            st.markdown("under" if number == 0 else "and")
            _composition(draft, number, names)
            if several:
                st.markdown("×")
                _number("Weight", f"terms.{number}.weight", draft["terms"][number]["weight"], 84, low=0.0)
                frame.action(
                    "",
                    "close",
                    partial(DRAFT.edit, "terms", train_draft.remove_term, number),
                    key=f"train-remove-{number}",
                    type="tertiary",
                    help="Leave this composition out",
                )
            if number == len(draft["terms"]) - 1 and number + 1 < _MOST_TERMS:
                frame.action(
                    "Add a second composition" if not several else "Add another",
                    "add",
                    partial(DRAFT.edit, "terms", train_draft.add_term, names[0]),
                    key="train-add-term",
                    type="tertiary",
                    help="The loss becomes a weighted sum: one term for each composition.",
                )


def _composition(draft: train_draft.Draft, term: int, names: list[str]) -> None:
    name, known = train_draft.composition_name(draft, term)
    label = name if known else f"{name} (as in the file)"
    options = names if known else [label, *names]
    key = choices.show(f"train-term-{term}", label)
    st.selectbox(
        "Composition",
        options,
        key=key,
        width=288,
        label_visibility="collapsed",
        on_change=actions.take_composition,
        args=(term, key),
    )


def _dataset(draft: train_draft.Draft) -> None:
    from ssrl_core.datasets import store as image_sets

    name = draft["dataset"]["name"]
    names = image_sets.names()
    _select("Image set", "dataset.name", names if name in names else [name, *names], 196, name, str)


def _seeds(draft: train_draft.Draft) -> None:
    key = choices.show("train-seeds", train_draft.seeds_text(draft["seeds"]))
    st.text_input(
        "Seeds",
        key=key,
        width=104,
        label_visibility="collapsed",
        help="5, or 5–9 for five runs, or 5, 7.",
        on_change=actions.take_seeds,
        args=(key,),
    )


def _line(name: str) -> Any:
    return st.container(horizontal=True, vertical_alignment="center", key=f"train-line-{name}")


def _select(label: str, path: str, options: list[str], width: int, value: str, shown: Any) -> None:
    _bound(st.selectbox, label, path, value, options, width=width, format_func=shown, label_visibility="collapsed")


def _number(label: str, path: str, value: float | None, width: int, *, low: float, **more: Any) -> None:
    step = 1 if isinstance(low, int) else 0.1
    _bound(
        st.number_input, label, path, value, min_value=low, step=step, width=width, label_visibility="collapsed", **more
    )


def _bound(draw: Callable[..., Any], label: str, path: str, value: Any, *args: Any, **more: Any) -> None:
    """A widget that shows the draft's value at a path, and changes it there."""
    key = choices.show(f"train-{path}", value)
    draw(label, *args, key=key, on_change=actions.take, args=(path, key), **more)


def settings(draft: train_draft.Draft) -> None:
    """The folded settings."""
    with st.expander("All settings", icon=":material/tune:"):
        name = draft["method"]["name"]
        row = method_row(name)
        st.html(f'<p class="vl-quiet">{row.title[0].upper()}{row.title[1:]}. {row.sentence} {row.paper}</p>')
        if name not in UNTRAINED:
            _recipe(draft)
        _grid("method", [setting for setting in row.settings if setting.name != "bank"], draft["method"])
        if name != SPECTRAL.name:
            frame.group("Network")
            _network(draft)
        if name not in UNTRAINED:
            frame.group("Optimizer")
            _grid("optimizer", list(OPTIMIZER_SETTINGS), draft["optimizer"])
            frame.group("Learning rate over the run")
            _grid("schedule", list(SCHEDULE_SETTINGS), draft["schedule"])
        frame.group("Afterwards")
        _evaluation(draft)
        frame.group("Machine and name")
        _machine(draft)


def _network(draft: train_draft.Draft) -> None:
    """Stem and weights to start from."""
    first, second, *_ = st.columns([1, 3])
    with first:
        _bound(st.selectbox, "Stem", "backbone.stem", draft["backbone"]["stem"], ["auto", "small", "standard"])
    with second:
        weights = draft["backbone"]["weights"] or ""
        about = "Empty for a new network; imagenet; or the path of a .safetensors file or a .pth (read weights-only)."
        _bound(st.text_input, "Weights to start from", "backbone.weights", weights, placeholder="none", help=about)


def _recipe(draft: train_draft.Draft) -> None:
    """Whole sets of settings; what the projector is told; with several terms, whether they share their heads."""
    first, second, third, *_ = st.columns(4)
    with first:
        chosen = train_draft.recipe_name(draft) or _OWN
        options = train_draft.recipes_for(draft) + ([_OWN] if chosen == _OWN else [])
        key = choices.show("train-recipe", chosen)
        st.selectbox(
            "Recipe",
            options,
            key=key,
            format_func=lambda name: RECIPES[name].title if name in RECIPES else "Own",
            help=" ".join(f"{row.title}: {row.sentence}" for row in RECIPES.values()),
            on_change=actions.take_recipe,
            args=(key,),
        )
    with second:
        shown = {"none": "Nothing", "draws": "What was drawn for each view"}
        _bound(
            st.selectbox, "Projector is told", "condition", draft["condition"], CONDITION.options,
            format_func=shown.__getitem__, help=CONDITION.sentence,
        )  # fmt: skip
    if len(draft["terms"]) > 1:
        with third:
            widget("heads", HEADS, draft["heads"])
    if chosen in RECIPES and (told := lacks(chosen, draft["method"]["name"])):
        frame.quiet(f"From {RECIPES[chosen].source}. {told}")


def _grid(group: str, rows: list[Parameter], values: dict[str, Any]) -> None:
    """Widgets for table rows, four in a line."""
    for start in range(0, len(rows), 4):
        for column, row in zip(st.columns(4), rows[start : start + 4], strict=False):
            with column:
                widget(f"{group}.{row.name}", row, values.get(row.name))


def widget(path: str, row: Parameter, value: Any) -> None:
    """One setting as its table row describes it."""
    label = _WORDS.get(row.name, row.name.replace("_", " ")).capitalize()
    if row.kind == "choice":
        _bound(st.selectbox, label, path, value, row.options, help=row.sentence)
        return
    whole = row.kind == "integer"
    number: dict[str, Any] = {"step": 1} if whole else {"step": _step(row, value), "format": "%g"}
    low, high = (int(row.low), int(row.high)) if whole else (float(row.low), float(row.high))
    _bound(st.number_input, label, path, value, low, high, help=row.sentence, **number)


def _step(row: Parameter, value: Any) -> float:
    """A step that fits the value's size: a tenth of it, else the table's."""
    return float(f"{value / 10:.0e}") if isinstance(value, float) and 0 < value < 10 * row.step else float(row.step)


def _evaluation(draft: train_draft.Draft) -> None:
    asked, cells = draft["evaluate"], itertools.cycle(st.columns(4))
    with next(cells):
        _bound(st.selectbox, "Measured on", "evaluate.split", asked["split"], ["test", "val", "train"])
    with next(cells):
        shown = draft["evaluate"].get("input", INPUT.default)
        words = {"whole": "Whole", "fixed_steps": "As the fixed steps leave them"}
        _bound(
            st.selectbox, "Images shown", "evaluate.input", shown, INPUTS, format_func=words.__getitem__,
            help=INPUT.sentence,
        )  # fmt: skip
    with next(cells):
        _embedded(draft)
    for part in asked_for().values():
        value = asked.get(part.name, part.default)
        if value is not None or part.on_demand:
            with next(cells):
                _part(part, value)


def _embedded(draft: train_draft.Draft) -> None:
    """Which output of the network is embedded: those that the method has."""
    row, asked = method_row(draft["method"]["name"]), draft["evaluate"].get("embed", BACKBONE)
    has = {BACKBONE: True, "head": row.name not in UNTRAINED, "teacher": row.has_teacher}
    options = [name for name in EMBEDS if has[name] or name == asked]
    words = {BACKBONE: "The backbone's features", "head": "The projector's output", "teacher": "The teacher's output"}
    _bound(
        st.selectbox, "Embedded", "evaluate.embed", asked, options, format_func=words.__getitem__, help=EMBED.sentence
    )


def _part(part: Part, value: Any) -> None:
    """What is asked of one part of evaluation: items of a list, the first of its settings, or whether it is made."""
    path = f"evaluate.{part.name}"
    if part.takes == "list":
        options = list(dict.fromkeys((*part.offered, *value)))
        if part.settings[0].kind != "choice":
            options.sort()
        _bound(st.multiselect, part.title, path, list(value), options, format_func=_SHOWN.get(part.name, str))
    elif part.takes == "switch" or part.on_demand:  # the settings of one on demand are changed in the spec
        _bound(st.toggle, part.title, path, value not in (None, False), help=part.sentence)
    else:
        widget(f"{path}.{part.settings[0].name}", part.settings[0], value[part.settings[0].name])


def _machine(draft: train_draft.Draft) -> None:
    trained = draft["method"]["name"] not in UNTRAINED
    cells = itertools.chain.from_iterable(st.columns(3) for _ in range(2 if trained else 1))
    with next(cells):
        devices = list(dict.fromkeys(["auto", "cpu", "cuda", "mps", draft["device"]]))
        _bound(st.selectbox, "Device", "device", draft["device"], devices)
    if trained:
        with next(cells):
            count = draft.get("devices", DEVICES.default)  # drafts of before there was a choice have none
            counts = list(dict.fromkeys([1, "auto", 2, 4, 8, count]))
            _bound(st.selectbox, "Devices", "devices", count, counts, format_func=str, help=DEVICES.sentence)
        with next(cells):
            widget("precision", RUN_SETTINGS[-1], draft["precision"])
        with next(cells):
            words = {"gpu": "On a GPU, where it pays", "auto": "Anywhere it pays", "never": "Never", "always": "Always"}
            chosen = draft.get("compile", COMPILE.default)  # as above
            _bound(
                st.selectbox, "Compiled", "compile", chosen, COMPILE.options,
                format_func=words.__getitem__, help=COMPILE.sentence,
            )  # fmt: skip
    with next(cells):
        widget("keep.embedding", KEEP_SETTINGS[0], draft["keep"]["embedding"])
    with next(cells):
        about = "Any words; lists show it instead of the settings."
        _bound(st.text_input, "Name of the run", "name", draft["name"] or "", help=about)
