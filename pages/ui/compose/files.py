"""The composition being edited, with its history, and the files and presets that it comes from and goes to.

It is frozen; edits are functions from draft to draft. A draft gives every step a number that stays with it when it
moves, so that a card keeps its place on the page.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from pages.ui.compose import keep
from pages.ui.kit import choices, frame
from pages.ui.kit.choices import Slot
from ssrl_core import stores
from ssrl_core.errors import SpecError, SSRLError
from ssrl_core.specs.composition import Composition, Step, dump, load, preset_names, save, saved_names
from ssrl_core.specs.exchange import FORMATS, export, read
from ssrl_core.specs.presets_table import PRESETS_TABLE

HISTORY = 200
_numbers = itertools.count(1)

Uids = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Draft:
    """A composition and what leads back and forth from it.

    Attributes:
        uids: a number for each step, by view group.
        origin: name of the saved composition or preset that it came from.
        past, future: (composition, uids, origin) of what undo and redo bring, nearest last.
    """

    composition: Composition
    uids: Uids
    origin: str
    past: tuple[tuple[Composition, Uids, str], ...] = ()
    future: tuple[tuple[Composition, Uids, str], ...] = ()

    def place(self, uid: int) -> tuple[int, int]:
        """(view group, position) of a step; KeyError when it is gone."""
        for group, numbers in enumerate(self.uids):
            if uid in numbers:
                return group, numbers.index(uid)
        raise KeyError(uid)

    def step(self, uid: int) -> Step:
        """The step with this number."""
        group, position = self.place(uid)
        return self.composition.views[group].steps[position]


DRAFT: Slot[Draft] = Slot("compose-draft", dropped=(KeyError,))


def fresh(composition: Composition, origin: str) -> Draft:
    """A draft without history."""
    return Draft(composition, _number(composition), origin)


def load_into(draft: Draft, composition: Composition, origin: str) -> Draft:
    """Another composition in the draft; undo brings the one before back."""
    return _remember(draft, composition, _number(composition), origin)


def undo(draft: Draft) -> Draft:
    """One edit back; the same draft where there is none."""
    if not draft.past:
        return draft
    here = (draft.composition, draft.uids, draft.origin)
    return Draft(*draft.past[-1], past=draft.past[:-1], future=(*draft.future, here))


def redo(draft: Draft) -> Draft:
    """One edit forward; the same draft where there is none."""
    if not draft.future:
        return draft
    here = (draft.composition, draft.uids, draft.origin)
    return Draft(*draft.future[-1], past=(*draft.past, here), future=draft.future[:-1])


def renamed(draft: Draft, name: str) -> Draft:
    """The draft under the name it was saved with; history stays."""
    return replace(draft, composition=draft.composition.renamed(name), origin=name)


def add(draft: Draft, step: Step, group: int = 0) -> Draft:
    """A step more, at the end of a view group."""
    steps, numbers = draft.composition.views[group].steps, draft.uids[group]
    return _with(draft, group, (*steps, step), (*numbers, next(_numbers)))


def remove(draft: Draft, uid: int) -> Draft:
    """Without one step."""
    group, at = draft.place(uid)
    steps, numbers = draft.composition.views[group].steps, draft.uids[group]
    return _with(draft, group, steps[:at] + steps[at + 1 :], numbers[:at] + numbers[at + 1 :])


def duplicate(draft: Draft, uid: int) -> Draft:
    """A step twice, the second after the first."""
    group, at = draft.place(uid)
    steps, numbers = draft.composition.views[group].steps, draft.uids[group]
    new_steps = (*steps[: at + 1], steps[at], *steps[at + 1 :])
    return _with(draft, group, new_steps, (*numbers[: at + 1], next(_numbers), *numbers[at + 1 :]))


def move(draft: Draft, uid: int, by: int) -> Draft:
    """A step earlier (by < 0) or later; the same draft at the ends."""
    group, at = draft.place(uid)
    steps, numbers = list(draft.composition.views[group].steps), list(draft.uids[group])
    to = min(max(at + by, 0), len(steps) - 1)
    if to == at:
        return draft
    steps.insert(to, steps.pop(at))
    numbers.insert(to, numbers.pop(at))
    return _with(draft, group, steps, numbers)


def change(draft: Draft, uid: int, edit: Callable[[Step], Step]) -> Draft:
    """One step edited; the same draft when nothing changes.

    Raises:
        SpecError: if the edit breaks a rule; the draft stays as it was.
    """
    group, at = draft.place(uid)
    steps = draft.composition.views[group].steps
    new = edit(steps[at])
    if new == steps[at]:
        return draft
    return _with(draft, group, (*steps[:at], new, *steps[at + 1 :]), draft.uids[group])


def change_group(draft: Draft, group: int, **changes: Any) -> Draft:
    """A view group with another name, count, size or role.

    Raises:
        SpecError: if that breaks a rule; the draft stays as it was.
    """
    views = list(draft.composition.views)
    views[group] = replace(views[group], **changes)
    new = replace(draft.composition, views=tuple(views))
    return draft if new == draft.composition else _remember(draft, new, draft.uids, draft.origin)


def change_pair(draft: Draft, pair: str) -> Draft:
    """Other images whose views count as equal."""
    new = replace(draft.composition, pair=pair)
    return draft if new == draft.composition else _remember(draft, new, draft.uids, draft.origin)


def add_group(draft: Draft, like: int, **changes: Any) -> Draft:
    """Another kind of views after the others, with the steps of one that is there.

    Args:
        like: the group whose steps it begins with.
        changes: name, count, size, role and steps of the new one, where they differ.
    """
    views = draft.composition.views
    taken = {view.name for view in views}
    wanted = str(changes.pop("name", views[like].name))
    candidates = itertools.chain([wanted], (f"{wanted}-{number}" for number in itertools.count(2)))
    name = next(candidate for candidate in candidates if candidate not in taken)
    new = replace(views[like], name=name, **changes)
    uids = (*draft.uids, tuple(next(_numbers) for _ in new.steps))
    return _remember(draft, replace(draft.composition, views=(*views, new)), uids, draft.origin)


def split_group(draft: Draft, group: int) -> Draft:
    """A group of several views as two groups with the same steps: a pipeline for each, to be changed apart.

    Raises:
        SpecError: the group has one view only.
    """
    view = draft.composition.views[group]
    if view.count < 2:
        raise SpecError.at(
            f"View group {view.name!r}", "count", "2 or more to be parted", view.count, "Raise its count first."
        )
    halved = change_group(draft, group, name=f"{view.name}-1", count=view.count - view.count // 2)
    parted = add_group(halved, group, name=f"{view.name}-2", count=view.count // 2)
    return replace(parted, past=(*draft.past, (draft.composition, draft.uids, draft.origin))[-HISTORY:])


def remove_group(draft: Draft, group: int) -> Draft:
    """Without one kind of views; the last one stays."""
    views = draft.composition.views
    if len(views) == 1:
        return draft
    new = replace(draft.composition, views=views[:group] + views[group + 1 :])
    return _remember(draft, new, draft.uids[:group] + draft.uids[group + 1 :], draft.origin)


def set_value(step: Step, name: str, value: object) -> Step:
    """The step with one setting changed."""
    return replace(step, settings={**step.settings, name: value})


def set_branch(step: Step, number: int, **changes: Any) -> Step:
    """A choice step with another weight or other steps in one branch."""
    branches = list(step.branches)
    branches[number] = replace(branches[number], **changes)
    return replace(step, branches=tuple(branches))


def set_inner(step: Step, number: int, place: int, edit: Callable[[Step], tuple[Step, ...]]) -> Step:
    """A choice step with one step of a branch replaced by those that `edit` gives for it, none to take it out."""
    steps = step.branches[number].steps
    return set_branch(step, number, steps=(*steps[:place], *edit(steps[place]), *steps[place + 1 :]))


def _number(composition: Composition) -> Uids:
    return tuple(tuple(next(_numbers) for _ in group.steps) for group in composition.views)


def _with(draft: Draft, group: int, steps: Sequence[Step], numbers: Sequence[int]) -> Draft:
    uids = tuple(tuple(numbers) if at == group else old for at, old in enumerate(draft.uids))
    return _remember(draft, draft.composition.with_steps(tuple(steps), group), uids, draft.origin)


def _remember(draft: Draft, composition: Composition, uids: Uids, origin: str) -> Draft:
    past = (*draft.past, (draft.composition, draft.uids, draft.origin))[-HISTORY:]
    return Draft(composition, uids, origin, past=past)


NAME_KEY, _KNOWN = "compose-save-name", "compose-known"
_LARGEST_MB = 1


def as_json(composition: Composition) -> str:
    """The composition as JSON text; reading it and writing it again gives the same bytes."""
    return export(composition, "json")


def read_file(content: bytes, name: str = "opened") -> tuple[Composition, str]:
    """A composition from an uploaded file, ours or solo-learn's.

    Args:
        name: for a file that names none.

    Returns:
        The composition, and what the reader should know ("" if the file is exactly what we would write).

    Raises:
        SpecError: naming what is wrong in the file.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SpecError.at("File", "encoding", "UTF-8 text", "other bytes", "Save it as a text file.") from error
    found = read(text, "File", name)
    return found.composition, " ".join(found.notes)


def save_popover() -> None:
    """The page's primary action: keep the draft under a name."""
    with st.popover("Save", type="primary", icon=":material/save:"):
        st.text_input("Name", key=NAME_KEY, help="Lower-case letters, digits, - and _.", persist_state="session")
        name = _name()
        taken = name in saved_names()
        if taken and name not in st.session_state.get(_KNOWN, {}):
            know(name)  # "Replace it" says that there is one
        st.button("Replace it" if taken else "Save", key="vl-save", type="primary", on_click=_save)
        DRAFT.show_note("save")


def train_button() -> None:
    """On to the Train page, with the composition as it stands, saved or not."""
    draft = DRAFT.get()
    pressed = st.button(
        "Train with this", icon=":material/model_training:", key="vl-train", help="Take it to the Train page"
    )
    if pressed and draft is not None:
        composition = draft.composition
        way = choices.way_to_train(st.session_state["choose-dataset"], composition, keep.input_of(composition))
        st.switch_page("pages/3_Train.py", query_params=way)


def presets_popover() -> None:
    """Saved compositions and presets by group, each with its sentence and what its source leaves open."""
    menu = st.popover("Load", icon=":material/library_books:", key=choices.menu_key("vl-presets"), on_change="rerun")
    if not menu.open:
        return
    groups: dict[str, list[str]] = {"Saved": saved_names()}
    for name, preset in PRESETS_TABLE.items():
        groups.setdefault(preset.group, []).append(name)
    with menu, st.container(key="vl-menu"):
        for group, names in groups.items():
            if names:
                frame.group(group)
            for name in names:
                _entry(name)


def _entry(name: str) -> None:
    with st.container(key=f"vl-entry-load-{name}", gap=None), frame.guard():
        preset = PRESETS_TABLE.get(name)
        sentence = load(name).sentence()
        st.button(
            frame.plain(preset.title if preset else name),
            key=f"vl-load-{name}",
            type="tertiary",
            on_click=_load,
            args=(name,),
            help=f"Left open by its source: {preset.silent}" if preset and preset.silent else None,
        )
        frame.quiet(f"{sentence[:1].upper()}{sentence[1:]}.")


def _load(name: str) -> None:
    try:
        composition = load(name)
    except SSRLError as error:
        DRAFT.note("upload", error)
        return
    DRAFT.edit("upload", load_into, composition, name)
    know(name)
    st.session_state[NAME_KEY] = suggest_name(name)
    choices.close_menu("vl-presets")


def file_popover(draft: Draft, side: int) -> None:
    """Download and upload.

    Args:
        side: px of the images on the page, for a format that must name one where the composition does not.
    """
    menu = st.popover("File", icon=":material/swap_vert:", key="vl-file", on_change="rerun")
    if not menu.open:
        return
    with menu:
        name = draft.composition.name if is_kept(draft) else suggest_name(draft.origin)
        with st.container(horizontal=True):
            _download("YAML", dump(draft.composition), f"{name}.yaml", "application/yaml")
            _download("JSON", as_json(draft.composition), f"{name}.json", "application/json")
        for target in ("torchvision", "solo-learn"):
            _other(draft.composition.renamed(name), target, side if target == "solo-learn" else None)
        st.file_uploader(
            "Open a YAML or JSON file, or solo-learn's augmentations",
            type=["yaml", "yml", "json"],
            key="compose-upload",
            max_upload_size=_LARGEST_MB,
            on_change=_open_upload,
        )
        DRAFT.show_note("upload")


def is_kept(draft: Draft) -> bool:
    """Whether the draft is what its name stands for."""
    try:
        return load(draft.origin) == draft.composition
    except SSRLError:
        return False


def _other(composition: Composition, target: str, side: int | None) -> None:
    """Another tool's format, or the step that it cannot say."""
    row = FORMATS[target]
    try:
        text = export(composition, target, side=side)
    except SpecError as error:
        st.button(
            row.title,
            disabled=True,
            key=f"vl-down-{target}",
            icon=":material/download:",
            help=frame.plain(frame.in_words(error.message)),
        )
        frame.quiet(frame.in_words(error.message))
        return
    _download(row.title, text, f"{composition.name}{row.suffix}", "text/plain")


def suggest_name(origin: str) -> str:
    """A free name for what came from `origin`; a preset's own name cannot be taken."""
    return f"my-{origin}"[:80] if origin in preset_names() else origin


def _download(label: str, text: str, file: str, mime: str) -> None:
    st.download_button(
        label, text.encode(), file, mime, icon=":material/download:", on_click="ignore", key=f"vl-down-{label}"
    )


def know(name: str) -> None:
    """Remember what stands under a name, of which the draft is a change: what somebody else saves there meanwhile is
    not replaced without a word."""
    st.session_state.setdefault(_KNOWN, {})[name] = _kept(name)


def _name() -> str:
    return str(st.session_state.get(NAME_KEY) or "").strip()


def _kept(name: str) -> Composition | None:
    """What is saved under a name; None for nothing, or what cannot be read."""
    try:
        return load(name) if name in saved_names() else None
    except SSRLError:
        return None


def _save() -> None:
    draft, name = DRAFT.get(), _name()
    if draft is None:
        return
    try:
        named = draft.composition.renamed(name)
        if _kept(name) not in (None, named, st.session_state.get(_KNOWN, {}).get(name)):
            know(name)
            words = (
                f"Somebody else saved another “{name}” meanwhile. Press again to replace it, or choose another name."
            )
            DRAFT.note("save", words)
            return
        path = save(named)
    except (SSRLError, OSError) as error:
        DRAFT.note("save", error)
        return
    know(path.stem)
    DRAFT.put(renamed(draft, path.stem))
    st.session_state["choose-composition"] = path.stem
    DRAFT.note("save", f"Saved as {path.stem}.")


def _open_upload() -> None:
    file: Any = st.session_state.get("compose-upload")
    draft = DRAFT.get()
    if file is None or draft is None:
        return
    try:
        composition, note = read_file(file.getvalue(), stores.as_slug(file.name.rsplit(".", 1)[0]))
    except SSRLError as error:
        DRAFT.note("upload", error)
        return
    DRAFT.put(load_into(draft, composition, draft.origin))
    st.session_state[NAME_KEY] = suggest_name(composition.name)
    DRAFT.note("upload", f"Opened {file.name}. {note}".strip())
