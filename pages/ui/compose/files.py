"""Compositions in and out: save under a name, YAML and JSON down, a file up."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.ui.compose import draft as drafts
from pages.ui.compose import keep
from pages.ui.compose.draft import DRAFT, Draft
from pages.ui.kit import choices, frame
from ssrl_core import stores
from ssrl_core.errors import SpecError, SSRLError
from ssrl_core.specs.composition import Composition, dump, load, preset_names, save, saved_names
from ssrl_core.specs.exchange import FORMATS, export, read
from ssrl_core.specs.presets_table import PRESETS_TABLE

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
    DRAFT.edit("upload", drafts.load_into, composition, name)
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
    DRAFT.put(drafts.renamed(draft, path.stem))
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
    DRAFT.put(drafts.load_into(draft, composition, draft.origin))
    st.session_state[NAME_KEY] = suggest_name(composition.name)
    DRAFT.note("upload", f"Opened {file.name}. {note}".strip())
