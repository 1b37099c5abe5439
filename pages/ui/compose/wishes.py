"""Wishes: what the user marks *keep* or *ignore* beside the bars, as a file, and the search that follows from them.

The marks are in the address, so that a reload or a link brings them and their search back; the search is a job that
outlives the page.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from pages.ui.kit import choices, frame, gallery, jobs
from pages.ui.kit.choices import Slot
from ssrl_core import stores
from ssrl_core.analysis.descriptors import DESCRIPTORS, titled
from ssrl_core.errors import SSRLError
from ssrl_core.forecast.candidates import WISHED, folder_of, searched
from ssrl_core.forecast.result import Forecast
from ssrl_core.forecast.searching import known_names, so_far
from ssrl_core.specs.wishes import CLASSES, GROUPS, IGNORE, KEEP, Wishes, dump_wishes
from ssrl_core.specs.yaml_files import parse_yaml

_LARGEST_MB = 1
_MOST_EARLIER = 8
_SETTINGS = ("seed", "input")
_WRITTEN, _COUNT_KEY, _UPLOAD = "compose-wishes-address", "compose-candidates", "compose-wishes-file"
VIEWS, FOUND = "views", "found"
PLACE_KEY = "compose-middle"
ABOUT_KEY = "compose-keep-about"
_ABOUT = (
    "Mark what a network shall keep and what it shall ignore, beside the bars. A search then forecasts many "
    "compositions and shows a handful that differ: what each keeps, and its price. None is right for everything; each "
    "is for something. The search goes on without this page."
)

WISHES: Slot[Wishes | None] = Slot("compose-wishes")

CSS = f"""
.vl-mark {{ font: inherit; font-size: .72rem; line-height: 1.25rem; height: 1.3rem; width: 44px; padding: 0;
  color: {frame.QUIET}; background: transparent; border: 1px solid {frame.LINE}; border-radius: 4px; cursor: pointer; }}
.vl-mark:hover, .vl-mark:focus-visible {{ border-color: {frame.ACCENT}; outline: none; }}
.vl-mark[data-wish="keep"] {{ background: {frame.ACCENT}; border-color: {frame.ACCENT};
  color: light-dark(#ffffff, #06201c); font-weight: 600; }}
.vl-mark[data-wish="ignore"] {{ border-color: {frame.INK}; color: {frame.INK}; font-weight: 600; }}
.st-key-compose-marks-room {{ position: absolute; }}
.st-key-vl-wishes {{ padding: .6rem .7rem; gap: .4rem; }}
.vl-wishes-said {{ font-size: .9rem; line-height: 1.4; margin: 0; min-height: 2.8em; }}
"""

_marks = st.components.v2.component(
    "viewloom_marks", html="<span></span>", js=Path(__file__).with_name("marks.js").read_text(encoding="utf-8")
)


def of_page(dataset: str) -> Wishes | None:
    """What is marked on this page; at first what the address asks for, else what is searched for now, if anything."""
    asked = _asked()
    if asked and asked != st.session_state.get(_WRITTEN):
        try:
            WISHES.put(_from_address(dataset, asked))
        except SSRLError as error:
            WISHES.put(None)
            WISHES.note("wishes", error)
    elif "compose-wishes" not in st.session_state:
        now = [wishes for wishes in searched(dataset) if jobs.is_running(job_name(wishes))]
        WISHES.put(now[0] if now else None)
    wishes = WISHES.get()
    if wishes is not None and wishes.dataset != dataset:
        wishes = replace(wishes, dataset=dataset)
        st.session_state[WISHES.name] = wishes
    _write_address(wishes)
    return wishes


def marks_of(wishes: Wishes | None) -> dict[str, str]:
    """thing -> keep or ignore, as it stands beside its bar; a wish for several at once stands beside each."""
    found: dict[str, str] = {}
    for name, wish in () if wishes is None else wishes.wishes.items():
        found |= dict.fromkeys(_members(name), wish)
    return found


def _members(name: str) -> tuple[str, ...]:
    """The things that a wish is about, by their own names."""
    by_title = {row.title: own for own, row in DESCRIPTORS.items()}
    return GROUPS.get(name) or (by_title.get(name, name),)


def listen() -> None:
    """Take clicks on the marks, and on the names of bars, whichever are on the page."""
    with st.container(key="compose-marks-room"):
        _marks(key="compose-marks", on_marked_change=_take, on_asked_change=_ask)


def section(imageset: Any, found: Forecast | None, wishes: Wishes | None) -> None:
    """What is wished, the search for it, and the way to a file.

    Args:
        found: what the page knows of these images; None before the first bars.
    """
    with st.container(border=True, key="vl-wishes"):
        st.html(f'<p class="vl-wishes-said">{_sentence(wishes)}</p>')
        with frame.guard():
            _search(imageset, found, wishes)
        WISHES.show_note("wishes")


def _sentence(wishes: Wishes | None) -> str:
    if wishes is None:
        return "Mark beside the bars what a network shall <b>keep</b> or <b>ignore</b>, and search for compositions."
    parts = []
    for wish in (KEEP, IGNORE):
        names = [name for name, wanted in wishes.wishes.items() if wanted == wish]
        if names:
            said = ", ".join(titled(name, "descriptor") for name in names)
            parts.append(f"{wish} <b>{html.escape(said)}</b>")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."


def _search(imageset: Any, found: Forecast | None, wishes: Wishes | None) -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        try:
            if wishes is None:
                st.button("Search", icon=":material/search:", disabled=True, help=_ABOUT, key="compose-search-none")
            else:
                if found is not None:
                    told = {*(row.name for row in found.kept), *found.missing} - {CLASSES}
                    wishes.meaning(known_names(told), imageset.label)
                _job(imageset, wishes)
        finally:
            _menu(imageset, wishes)


def _job(imageset: Any, wishes: Wishes) -> None:
    """The button, or how far the search is."""
    name = job_name(wishes)
    wanted = int(st.session_state.get(_COUNT_KEY) or wishes.candidates)
    seen = so_far(wishes, imageset.fingerprint, imageset.label)
    tried = seen[0].tried if seen else 0
    busy = jobs.is_running(name)
    if seen and seen[1] and tried >= wanted and not busy:
        frame.quiet(f"{tried:,} compositions tried.")
        return
    verb = "Go on" if tried and not busy else "Search"
    words = ["search", str(folder_of(wishes) / WISHED)]
    begin = partial(_begin, replace(wishes, candidates=wanted))
    jobs.job(name, words, button=verb, icon="search", help=_ABOUT, before=begin)


def _begin(wishes: Wishes) -> None:
    """Callback: lay the file that the job reads, and show what it finds."""
    folder = folder_of(wishes)
    folder.mkdir(parents=True, exist_ok=True)
    stores.replace(folder / WISHED, dump_wishes(wishes))
    st.session_state[PLACE_KEY] = FOUND


def job_name(wishes: Wishes) -> str:
    """Name of the job that searches for these."""
    return f"search-{wishes.key}"


def _menu(imageset: Any, wishes: Wishes | None) -> None:
    """How many are tried, the wishes as a file, earlier searches."""
    menu = st.popover("Wishes", icon=":material/tune:", key=choices.menu_key("compose-wishes-menu"), on_change="rerun")
    if not menu.open:
        return
    with menu:
        st.number_input(
            "Compositions that are tried", 10, 10_000, 200, 50, key=_COUNT_KEY, help="200 take minutes on two cores."
        )
        if wishes is not None:
            with st.container(horizontal=True):
                text = dump_wishes(wishes)
                ways: dict[str, Any] = {"icon": ":material/download:", "on_click": "ignore"}
                st.download_button("YAML", text, "wishes.yaml", "application/yaml", **ways)
                st.button("Clear", icon=":material/clear_all:", key="compose-wishes-clear", on_click=_put, args=(None,))
        st.file_uploader(
            "Open a file of wishes",
            type=["yaml", "yml", "json"],
            key=_UPLOAD,
            max_upload_size=_LARGEST_MB,
            on_change=_open_file,
            args=(imageset.name,),
        )
        _earlier(imageset.name, wishes)


def _earlier(dataset: str, now: Wishes | None) -> None:
    others = [wishes for wishes in searched(dataset) if now is None or wishes.key != now.key][:_MOST_EARLIER]
    if not others:
        return
    frame.group("Earlier searches")
    for wishes in others:
        words = frame.plain(wishes.sentence())
        st.button(words, key=f"compose-wishes-{wishes.key}", type="tertiary", on_click=_put, args=(wishes,))


def _put(wishes: Wishes | None) -> None:
    """Callback: other wishes."""
    WISHES.put(wishes)
    choices.close_menu("compose-wishes-menu")


def _take() -> None:
    """Callback of the marks: one of them has changed."""
    told = gallery.heard("compose-marks", "marked", {"name": str, "wish": str})
    if told and told.get("name"):
        dataset = str(st.session_state.get("choose-dataset"))
        try:
            WISHES.put(marked(WISHES.get(), told["name"], told.get("wish", ""), dataset))
        except SSRLError as error:
            WISHES.note("wishes", error)


def _ask() -> None:
    """Callback of the names: open what the bar is about."""
    name = gallery.heard("compose-marks", "asked", str)
    if name:
        st.session_state[ABOUT_KEY] = True
        st.session_state[ABOUT_KEY + "-name"] = name


def marked(wishes: Wishes | None, name: str, wish: str, dataset: str) -> Wishes | None:
    """Wishes with one mark changed ("" is don't care); a wish for several at once becomes one for each of them."""
    wanted: dict[str, Any] = {}
    for old, kept in () if wishes is None else wishes.wishes.items():
        wanted |= dict.fromkeys(_members(old), kept) if name in _members(old) else {old: kept}
    wanted.pop(name, None)
    if wish:
        wanted[name] = wish
    if not wanted:
        return None
    return Wishes(dataset, wanted) if wishes is None else replace(wishes, wishes=wanted)


def _open_file(dataset: str) -> None:
    file: Any = st.session_state.get(_UPLOAD)
    if file is None:
        return
    try:
        found = Wishes.from_mapping(parse_yaml(file.getvalue(), file.name), file.name)
    except SSRLError as error:
        WISHES.note("wishes", error)
        return
    WISHES.put(replace(found, dataset=dataset))
    st.session_state[_COUNT_KEY] = found.candidates
    if found.dataset != dataset:
        WISHES.note("wishes", f"{file.name} was written for “{found.dataset}”; it is searched on “{dataset}” here.")


def _asked() -> dict[str, list[str]]:
    """What the address says of wishes."""
    names = (KEEP, IGNORE, *_SETTINGS)
    found = {name: st.query_params.get_all(name) for name in names}
    return {name: values for name, values in found.items() if values}


def _from_address(dataset: str, asked: Mapping[str, list[str]]) -> Wishes | None:
    wanted: dict[str, Any] = {name: wish for wish in (KEEP, IGNORE) for name in asked.get(wish, ())}
    given: dict[str, Any] = {name: asked[name][0] for name in _SETTINGS if name in asked}
    if str(given.get("seed", "")).isdecimal():
        given["seed"] = int(given["seed"])
    return Wishes(dataset, wanted, **given) if wanted else None


def _write_address(wishes: Wishes | None) -> None:
    """The marks, and settings that are not the usual ones."""
    said: dict[str, list[str]] = {}
    if wishes is not None:
        usual = Wishes(wishes.dataset, wishes.wishes)
        for wish in (KEEP, IGNORE):
            said[wish] = [name for name, wanted in wishes.wishes.items() if wanted == wish]
        said |= {n: [str(getattr(wishes, n))] for n in _SETTINGS if getattr(wishes, n) != getattr(usual, n)}
        said = {name: values for name, values in said.items() if values}
    if said != _asked():
        for name in (KEEP, IGNORE, *_SETTINGS):
            if name in said:
                st.query_params[name] = said[name]
            else:
                st.query_params.pop(name, None)
    st.session_state[_WRITTEN] = said
