"""What comes before and after the sentence: presets, the spec as a file, the cost, the start, what the network sees."""

from __future__ import annotations

import html
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.kit import cache, choices, frame, jobs
from pages.ui.train import actions
from pages.ui.train import draft as train_draft
from pages.ui.train.draft import DRAFT, STARTS, Start
from ssrl_core import stores
from ssrl_core.datasets.builtin import BUILT_IN
from ssrl_core.datasets.made.example import LIKE
from ssrl_core.errors import SSRLError
from ssrl_core.specs.composition import Composition
from ssrl_core.specs.methods import SPECTRAL, UNTRAINED
from ssrl_core.specs.parameters import Frozen
from ssrl_core.specs.run import (
    EvaluateChoice,
    KeepChoice,
    OptimizerChoice,
    RunSpec,
    ScheduleChoice,
    Term,
    dump_run,
)
from ssrl_core.specs.screens import Recipe
from ssrl_core.specs.yaml_files import dump_yaml, parse_yaml

_GOES_ON, _LEAVES = "train-goes-on", "train-leaves-out"
_TAUGHT = "is taught, not found"  # said with a button of its own
_COUNTED = "train-memory-counted"
_LONG_S = 6 * 3600.0
_IMAGES = {1: 10, 2: 6, 3: 4, 4: 3}
_LARGEST = 96

CSS = f"""
.train-term {{ font-weight: 600; margin: .2rem 0 0; }}
.train-term small {{ font-weight: 400; color: {frame.QUIET}; font-size: .84rem; }}
"""


def presets_popover() -> None:
    """Runs to start from, by group; those whose images are not known here are left out."""
    from ssrl_core.datasets import store as image_sets

    known = set(image_sets.names())
    menu = st.popover(
        "Start from", icon=":material/library_books:", key=choices.menu_key("train-presets"), on_change="rerun"
    )
    if not menu.open:
        return
    groups: dict[str, list[tuple[str, Start]]] = {}
    for name, start in STARTS.items():
        if start.spec["dataset"] in known:
            groups.setdefault(start.group, []).append((name, start))
    with menu, st.container(key="train-menu"):
        for group, starts in groups.items():
            frame.group(group)
            for name, start in starts:
                with st.container(gap=None):
                    st.button(start.title, key=f"train-start-{name}", type="tertiary", on_click=_begin, args=(name,))
                    st.caption(start.sentence)


def file_popover(draft: train_draft.Draft) -> None:
    """The resolved spec as YAML: to read, to download, and one from a file."""
    menu = st.popover("Spec", icon=":material/description:", key="train-file", on_change="rerun")
    if not menu.open:
        return
    with menu, st.container(width=560):
        st.caption("What `train` takes on the command line; with several seeds, what `sweep` takes.")
        with frame.guard():
            text = spec_text(draft)
            st.download_button(
                "Download", text.encode(), "run.yaml", "application/yaml", icon=":material/download:", on_click="ignore"
            )
            st.code(text, language="yaml", height=320)
        st.file_uploader(
            "Open a spec", type=["yaml", "yml", "json"], key="train-upload", max_upload_size=1, on_change=_open_upload
        )
        DRAFT.show_note("upload")


def spec_text(draft: train_draft.Draft) -> str:
    """The draft as the YAML of a run, or of a sweep."""
    if not train_draft.is_sweep(draft):
        return dump_run(train_draft.spec_of(draft))
    return dump_yaml(train_draft.sweep_of(draft))


def launch_button(draft: train_draft.Draft) -> None:
    """The primary action. It queues the run and starts a worker; both outlive this page."""
    try:
        several = train_draft.run_count(draft)
    except SSRLError:
        several = len(draft["seeds"])  # said where the draft is launched, and at its place
    verb = "Solve" if draft["method"]["name"] == SPECTRAL.name else "Train"
    frame.action(
        verb if several == 1 else f"{verb} {several:,} runs",
        "play_arrow",
        _launch,
        key="train-launch",
        type="primary",
        disabled=not actions.is_at_hand(draft["dataset"]["name"]),
    )


def cost(draft: train_draft.Draft) -> None:
    """What the run will take; where its images are not here yet, the button that fetches them."""
    from ssrl_core.datasets import store as image_sets

    name = draft["dataset"]["name"]
    with frame.guard():
        if image_sets.is_ready(name):
            _go_on()
            _offer_solving(draft)
            frame.quiet(_cost_words(draft))
            _taught(draft)
            _memory(draft)
        elif name in image_sets.names():
            _images_job(name)
    DRAFT.show_note("launch")


def _memory(draft: train_draft.Draft) -> None:
    """What a step will hold and the largest batch that fits: by itself where there is a card, else when asked."""
    from ssrl_core.runs.folder.run_folder import imageset_of
    from ssrl_core.runs.worker.estimate import has_gpu

    spec = train_draft.spec_of(draft)
    if not spec.is_trained:
        return
    held = _of_a_step(spec)
    if not has_gpu() and st.session_state.get(_COUNTED) != held:
        about = "Counts a step without taking one: a few seconds."
        frame.action("Will it fit?", "memory", partial(_count, held), key="train-memory", type="tertiary", help=about)
        return
    frame.quiet(_memory_words(held, imageset_of(spec)))


def _of_a_step(spec: RunSpec) -> RunSpec:
    """The spec with what no step's memory depends on as in every other, so that a change of it counts nothing anew."""
    return replace(
        spec,
        optimizer=OptimizerChoice(spec.optimizer.name),
        schedule=ScheduleChoice(),
        evaluate=EvaluateChoice(),
        keep=KeepChoice(),
        tags=Frozen(),
        seed=0,
        epochs=1,
        name=None,
        notes=None,
    )


def _count(spec: RunSpec) -> None:
    st.session_state[_COUNTED] = spec


@cache.kept(spinner="Counting what a step holds")
def _memory_words(spec: RunSpec, imageset: Any) -> str:
    """`A step holds about 2.5 GB; this machine has 7.9 GB free. At most 2,380 images at a time fit.`"""
    from ssrl_core.runs.worker.estimate import memory, size

    held, part = memory(spec, imageset), spec.batch_size // spec.accumulate
    there = (
        f"the card has {size(held.room_bytes)}" if held.of_card else f"this machine has {size(held.room_bytes)} free"
    )
    said = f"A step holds about {size(held.step_bytes)}; {there}. "
    if held.largest == 0:
        return said + "Not even two images fit: choose a smaller network or smaller views."
    if held.largest < part:
        fit = f"{held.largest:,} do: lower the batch, or set accumulate in the spec."
        return f"{said}{part:,} images at a time do not fit, {fit}"
    return said + f"At most {held.largest:,} images at a time fit."


def _images_job(name: str) -> None:
    """The images of a built-in set that are not here yet: made or fetched in the background, with progress."""
    row = BUILT_IN[name]
    took = "" if row.fetched else f", about {frame.duration(row.seconds)}"
    verb = "Fetch" if row.fetched else "Make"
    with st.container(horizontal=True, vertical_alignment="center"):
        frame.quiet(f"The images of “{name}” are not here yet ({frame.count(row.count, 'image')}{took}).")
        jobs.job(_images_name(name), _images_words(name), button=f"{verb} them", icon="download")
    if not jobs.is_running(_images_name(name)):
        st.session_state.pop(_GOES_ON, None)  # it failed or was stopped, which the job says


def _go_on() -> None:
    """Where the button was pressed before the images were here: queue the run now."""
    if st.session_state.pop(_GOES_ON, None):
        _launch()
        st.rerun()


def _images_name(name: str) -> str:
    return f"images-{name}"


def _images_words(name: str) -> tuple[str, ...]:
    return ("data", "describe", name)


def _cost_words(draft: train_draft.Draft) -> str:
    """`About 3 min: 2 min of training at 610 images/s (measured in run …), 1 min of evaluation. 120 steps.`"""
    from ssrl_core.runs.folder.run_folder import imageset_of
    from ssrl_core.runs.queue.identity import identify
    from ssrl_core.runs.worker.estimate import estimate, size, slots

    spec = train_draft.spec_of(draft)
    doubts = identify(spec).doubts  # what cannot train on these images is said here, before anybody asks for it
    found = estimate(spec, imageset_of(spec))
    more = "".join(f" {doubt[:1].upper()}{doubt[1:]}." for doubt in doubts if _TAUGHT not in doubt)
    if spec.is_solved:
        return _solved_words(draft, found.seconds) + more
    if not spec.is_trained:
        return f"About {frame.duration(found.rest_s)} of evaluation; nothing is trained."
    basis = "as in earlier runs here" if found.measured else "a first guess, corrected by the first run"
    runs = train_draft.run_count(draft)
    whole = found.seconds * runs / slots()
    each = "" if runs == 1 else f" each, {frame.duration(whole)} for all {runs:,}"
    long = " Come back later: it goes on without this page." if whole > _LONG_S else ""
    return (
        f"About {frame.duration(found.seconds)}{each}: {found.steps:,} steps at {found.images_per_s:,.0f} images/s "
        f"({basis}), then {frame.duration(found.rest_s)} of evaluation. "
        f"On disk about {size(found.disk_bytes * runs)} of {size(stores.free_bytes(stores.models_root()))} free."
        f"{long}{more}"
    )


def _taught(draft: train_draft.Draft) -> None:
    """What pairs teach of a screen's scores, and one button that leaves compounds out and scores those."""
    from ssrl_core.compositions.pairs import taught_by_pairs
    from ssrl_core.datasets import store as image_sets
    from ssrl_core.runs.evaluation import screens
    from ssrl_core.runs.folder.run_folder import imageset_of

    spec = train_draft.spec_of(draft)
    imageset = imageset_of(spec)
    if screens.no_screen(imageset):
        return
    recipe = Recipe.from_mapping(spec.evaluate.parts.get("screen") or {})
    for one in taught_by_pairs(spec, imageset, recipe.to_mapping())[:1]:
        source = image_sets.load(spec.dataset.name)
        name = screens.apart_of(source, one.apart)
        there = image_sets.is_ready(name)
        if there and st.session_state.pop(_LEAVES, None) == name:
            _leave_out(recipe)
            st.rerun()
        frame.warn(f"{one.words}.")
        button = f"Leave {one.apart}s out"
        about = f"Half of the {one.apart}s are not learnt from, and only they are scored."
        if there:
            frame.action(button, "call_split", partial(_leave_out, recipe), key="train-leave-out", help=about)
        else:
            words = ("data", "subset", source.name, "--all", "--group", one.apart, "--name", name)
            remember = partial(st.session_state.__setitem__, _LEAVES, name)
            jobs.job(f"apart-{name}", words, button=button, icon="call_split", help=about, before=remember)


def _leave_out(recipe: Recipe) -> None:
    """Callback: the draft on the images whose compounds are kept apart, scored by those that are left out."""
    from ssrl_core.runs.evaluation.screens import leaving_out

    def without(draft: train_draft.Draft) -> train_draft.Draft:
        made = leaving_out(train_draft.spec_of(draft), recipe).to_mapping()
        return draft | {key: made[key] for key in ("dataset", "evaluate", "keep", "name")}

    DRAFT.edit("launch", without)


def _solved_words(draft: train_draft.Draft, seconds: float) -> str:
    """What solving takes, and a training of the quick look's on the same images beside it."""
    from ssrl_core.runs.folder.run_folder import imageset_of
    from ssrl_core.runs.worker.estimate import estimate, slots

    runs = train_draft.run_count(draft)
    each = "" if runs == 1 else f" each, {frame.duration(seconds * runs / slots())} for all {runs:,}"
    said = (
        f"About {frame.duration(seconds)}{each} with evaluation: solved in closed form, not trained; no GPU is needed."
    )
    try:
        spec = train_draft.spec_of(train_draft.trained(draft))
        beside = estimate(spec, imageset_of(spec))
    except SSRLError:  # these terms are none that the quick look could learn from
        return said
    return f"{said} A short training of a tiny network on these images takes about {frame.duration(beside.seconds)}."


def _offer_solving(draft: train_draft.Draft) -> None:
    """Where there is no GPU, the way to clusters that takes no training, with what it takes."""
    from ssrl_core.runs.folder.run_folder import imageset_of
    from ssrl_core.runs.worker.estimate import estimate, has_gpu

    if has_gpu() or draft["method"]["name"] in UNTRAINED:
        return
    spec = train_draft.spec_of(train_draft.solved(draft) | {"vary": {}})
    took = frame.duration(estimate(spec, imageset_of(spec)).seconds)
    with st.container(horizontal=True, vertical_alignment="center"):
        frame.action("Solve it (no training)", "bolt", actions.solve_it, key="train-solve-it")
        frame.quiet(f"There is no GPU here. Solved instead of trained, this takes about {took}.")


def _launch() -> None:
    """Callback: queue the run (or one for each seed), start a worker, open the first run's sheet."""
    from ssrl_core.datasets import store as image_sets
    from ssrl_core.runs.jobs import start
    from ssrl_core.runs.queue import submitting, sweeps
    from ssrl_core.specs.sweep import SweepSpec

    draft, sweep_id = actions.current(), None
    images = draft["dataset"]["name"]
    if images in BUILT_IN and not image_sets.is_ready(images):
        st.session_state[_GOES_ON] = True
        start(_images_name(images), _images_words(images))
        return
    try:
        if not train_draft.is_sweep(draft):
            asked = submitting.submit(train_draft.spec_of(draft), start=False)
            runs, new = [asked["id"]], int(asked["created"])
        else:
            swept = sweeps.submit(SweepSpec.from_mapping(train_draft.sweep_of(draft)), start=False)
            runs, new, sweep_id = swept["runs"], swept["created"], swept["id"]
    except SSRLError as error:
        DRAFT.note("launch", error)
        return
    except OSError as error:
        DRAFT.note("launch", f"It could not be queued: {error.strerror or error}.")
        return
    actions.start_worker()
    there = len(runs) - new
    if there:
        words = "This run was there already" if len(runs) == 1 else f"{there} of {len(runs)} runs were there already"
        DRAFT.note("sheet", f"{words}: the same settings and the same seed are the same run.")
    if sweep_id:
        st.query_params["sweep"] = sweep_id
    else:
        st.query_params["run"] = runs[0]


def _begin(name: str) -> None:
    DRAFT.edit("launch", lambda draft: train_draft.fresh(STARTS[name].spec))
    choices.close_menu("train-presets")


def begin_from(run_id: str) -> None:
    """Callback: write a new run that starts from one that was made."""
    from ssrl_core.runs.folder.run_folder import RunFolder

    DRAFT.edit("launch", lambda draft: train_draft.fresh(RunFolder(run_id).spec().to_mapping()))
    st.query_params.pop("run", None)


def _open_upload() -> None:
    file: Any = st.session_state.get("train-upload")
    if file is None:
        return
    DRAFT.edit("upload", partial(_read, file.getvalue(), file.name))
    if not isinstance(DRAFT.noted("upload"), SSRLError):
        DRAFT.note("upload", f"Opened {file.name}. Comments and layout of a file are not kept.")


def _read(content: bytes, name: str, draft: train_draft.Draft) -> train_draft.Draft:
    return train_draft.fresh(parse_yaml(content, name))


def strip(draft: train_draft.Draft) -> None:
    """For each term one picture: the images in the first row, then a row for each view."""
    from ssrl_core.datasets import store as image_sets
    from ssrl_core.runs.folder.run_folder import imageset_of

    name = draft["dataset"]["name"]
    if not image_sets.is_ready(name):  # as long as they are not made: the few like them that ship
        if not image_sets.is_ready(LIKE.get(name, "")):
            return
        draft = draft | {"dataset": {"name": LIKE[name], "channels": None, "where": {}}}

    try:
        spec = train_draft.spec_of(draft)
        imageset = imageset_of(spec)
    except SSRLError:  # said above, beside the cost
        return
    with frame.guard():
        count = len(spec.terms)
        for number, (column, term) in enumerate(zip(st.columns(count), spec.terms, strict=True)):
            with column:
                if count > 1:
                    st.html(_heading(term))
                images = _IMAGES.get(count, 3)
                picture = _picture(imageset, term.composition, number, spec.seed, images)
                alt = f"Images and their views under {term.composition.name}"
                st.image(picture, width="stretch", alt=alt)
                frame.quiet(f"{term.composition.name}: {term.composition.sentence()}.")
        choices.show_fights([term.composition for term in spec.terms])
        stand_in = (
            " The images of the example stand in until these are made." if draft["dataset"]["name"] != name else ""
        )
        frame.quiet(f"First row: images as they are. Below: two views of each, as the training draws them.{stand_in}")


def _heading(term: Term) -> str:
    name = html.escape(term.composition.name)
    return f'<p class="train-term">{name} <small>weight {term.weight:g}</small></p>'


@cache.kept
def _picture(imageset: Any, composition: Composition, term: int, seed: int, images: int) -> bytes:
    import torch

    from ssrl_core.compositions.pairs import draw_shown
    from ssrl_core.compositions.views import make_views
    from ssrl_core.datasets.pictures import montage, png, shown_limits, to_rgb

    chosen = np.sort(np.random.default_rng(0).permutation(imageset.split_ids("all"))[:images])
    pixels, channels = np.array(imageset.pixels[chosen]), imageset.channels
    side = min(max(imageset.shape[1:]), _LARGEST)
    rows = [_fitted(torch.from_numpy(pixels.astype(np.float32) / imageset.max_value), side)]
    drawn = draw_shown(imageset, composition, chosen, seed=seed, term=term)
    seen = torch.from_numpy(np.array(imageset.pixels[drawn.needed]))
    groups = make_views(seen, drawn, composition, max_value=imageset.max_value)
    rows += [_fitted(view, side) for group in groups for view in group][:2]
    limits = shown_limits(pixels, channels, imageset.max_value)  # of the images, for their views too
    tiles = np.concatenate([to_rgb(row, channels, max_value=1, limits=limits) for row in rows])
    return png(montage(tiles, columns=len(chosen), scale=max(1, _LARGEST // side)))


def _fitted(images: Any, side: int) -> Any:
    """(B,C,H,W) in 0..1 as (B,C,side,side), float32."""
    from torch.nn.functional import interpolate

    small = interpolate(images, size=(side, side), mode="bilinear", antialias=True, align_corners=False)
    return small.clamp(0, 1).numpy()
