"""What a user chose, wrote or was told stays until the user changes it: kept in the session, by id.

The choices that set a page's scene are bound to its address: `?dataset=mnist&run=…&composition=…` (`from_address`). A
page that edits one thing keeps it in a `Slot`; widgets that show part of it are told its value with `show`.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import zlib
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar
from uuid import uuid4

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages.ui.kit import frame, jobs
from ssrl_core.datasets.kinds import fits, kind_named
from ssrl_core.errors import RunError, SpecError, SSRLError, not_written
from ssrl_core.specs.composition import Composition, Conflict, conflicts, preset_names, saved_names
from ssrl_core.specs.presets_table import PRESETS_TABLE
from ssrl_core.specs.transforms import TRANSFORMS

_LARGEST_TOKEN = 256 * 1024


def from_address(
    label: str,
    options: Sequence[str],
    *,
    key: str,
    shown: Callable[[str], str] = str,
    default: str | None = None,
    help: str | None = None,
    label_visibility: Any = "visible",
    flat: bool = False,
) -> str:
    """A choice whose value is in the address and survives a visit to another page.

    Args:
        options: names or ids, at least one; they are what the address holds.
        key: name in the address and, with `choose-` before it, in the session state.
        shown: an option as the user reads it.
        default: first choice where neither address nor session knows better.
        flat: all options side by side, for a few short ones; else a list that unfolds.

    Returns:
        The chosen option. A link that names something unknown gets the default and a line that says so. The choice is
        kept by its option, never by its words: a run stays chosen when a namesake finishes and its words change.
    """
    widget, written = f"choose-{key}", f"choose-{key}-address"
    words = _told_apart(options, shown)
    known = _by_words(widget, words, asked(key))
    by_link = linked(key) is not None
    if known not in words:
        chosen_first = default if default in words else options[0]
        if by_link:
            st.caption(frame.plain(f"There is no {label.lower()} “{known}” here; this is {words[chosen_first]}."))
        known = chosen_first
    told = (_page(), words[known])
    if known != st.session_state.get(widget) or told != st.session_state.get(f"{widget}-told"):
        st.session_state[widget] = known  # by id: another page, or other words than the browser was told
    st.session_state[f"{widget}-told"], st.session_state[f"{widget}-words"] = told, words
    draw: Callable[..., Any] = partial(st.segmented_control, required=True) if flat else st.selectbox
    chosen: str = draw(
        label,
        list(words),
        format_func=words.__getitem__,
        key=widget,
        help=help,
        label_visibility=label_visibility,
        persist_state="session",
    )
    if st.query_params.get(key) != chosen:
        st.query_params[key] = chosen
    st.session_state[written] = st.session_state[f"chosen-{key}"] = chosen
    return chosen


def pick(label: str, words: Mapping[str, str], *, key: str, first: str | None = "", **more: Any) -> str:
    """One of a few, side by side; kept for the session.

    Args:
        words: option -> as the user reads it.
        first: chosen before anybody chose; left out, the first option. None: the session says it already.
        more: of `st.segmented_control`.
    """
    default = next(iter(words)) if first == "" else first
    more |= {} if default is None else {"default": default}
    ways: dict[str, Any] = {"format_func": words.__getitem__, "required": True, "persist_state": "session"}
    chosen = st.segmented_control(label, list(words), key=key, **ways, **more)
    return str(chosen or default or next(iter(words)))


def asked(key: str) -> str | None:
    """What a choice's address asks for, else what was chosen before; None at first."""
    if (wanted := linked(key)) is not None:
        return wanted
    known: str | None = st.session_state.get(f"choose-{key}", st.session_state.get(f"chosen-{key}"))
    return known


def suited(dataset: str, composition: str) -> str:
    """A composition for an image set: the same, or where it is a preset for another kind of images, one for this."""
    kind = kind_named(dataset) if composition in PRESETS_TABLE else None
    return composition if kind is None or fits(kind, composition) else kind.composition


def travels(key: str, value: str) -> None:
    """Let a choice of another page (`dataset`, `composition`, `run`) be the one that the next page opens with."""
    st.session_state[f"choose-{key}"] = st.session_state[f"chosen-{key}"] = value


def linked(key: str) -> str | None:
    """What a link or the browser's back button asks for; None where the address holds only our own writing."""
    wanted = st.query_params.get(key)
    return str(wanted) if wanted is not None and wanted != st.session_state.get(f"choose-{key}-address") else None


def _page() -> str:
    context = get_script_run_ctx()
    return context.page_script_hash if context else ""


def _told_apart(options: Sequence[str], shown: Callable[[str], str]) -> dict[str, str]:
    """Option -> its words; the browser knows an option by its words alone, so no two have the same."""
    words = {option: shown(option) for option in options}
    often = Counter(words.values())
    return {option: said if often[said] == 1 else f"{said} ({option})" for option, said in words.items()}


def _by_words(widget: str, words: Mapping[str, str], known: str | None) -> str | None:
    """A choice by id where the browser sent the words that it had last been shown."""
    if known is None or known in words:
        return known
    before: dict[str, str] = st.session_state.get(f"{widget}-words", {})
    return next((option for option, said in before.items() if said == known and option in words), known)


def choose_dataset(*, default: str | None = None) -> str:
    """Name of the chosen image set; load it with `open_imageset`."""
    from ssrl_core.datasets import store as image_sets

    names = image_sets.names()
    if not names:
        frame.empty("No images yet.", button="Bring images in", page="pages/1_Data.py", icon="photo_library")
    return from_address("Image set", names, key="dataset", default=default, shown=_dataset_words)


def open_imageset(name: str) -> Any:
    """The image set; where it must first be made or fetched, the page says so meanwhile.

    What failed is not tried again with every click, but when the user asks for it.

    Raises:
        SSRLError: an unknown name, no network, a damaged file.
    """
    from ssrl_core.datasets import store as image_sets

    if image_sets.is_ready(name):
        return image_sets.load(name)
    failed: dict[str, SSRLError] = st.session_state.setdefault("choose-failed", {})
    if name in failed:
        st.button("Try again", icon=":material/refresh:", on_click=failed.clear)
        raise failed[name]
    place = st.empty()
    bar = place.progress(0.0, f"Preparing the image set “{name}”; this is needed once")
    try:
        image_sets.load(name, report=jobs.progress_on(bar))
    except SSRLError as error:
        failed[name] = error
        raise
    finally:
        place.empty()
    st.rerun()  # once more, now that its title and size are known
    return image_sets.load(name)


def choose_composition(*, default: str | None = None) -> str:
    """Name of a saved composition or a preset; one's own stand first."""
    return from_address("Composition", composition_names(), key="composition", default=default, shown=composition_words)


def composition_names() -> list[str]:
    """Names of saved compositions, then of presets."""
    return list(dict.fromkeys([*saved_names(), *preset_names()]))


def composition_words(name: str) -> str:
    """A composition as one reads it in a list: a preset's title beside its name."""
    preset = PRESETS_TABLE.get(name)
    return f"{name} · {preset.title}" if preset else name


def to_token(composition: Composition) -> str:
    """A composition small enough for an address; `from_token` gives it back."""
    text = json.dumps(composition.to_mapping(), separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")


def from_token(token: str) -> Composition:
    """The composition in an address.

    Raises:
        SpecError: if the address was cut or is not ours.
    """
    try:
        packed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        machine = zlib.decompressobj()
        text = machine.decompress(packed, _LARGEST_TOKEN)
        if machine.unconsumed_tail or not machine.eof:
            raise ValueError("cut short or too large")
        data = json.loads(text)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise SpecError.at("Address", "draft", "a composition that this page wrote", token, "Load a preset.") from error
    return Composition.from_mapping(data, "Address")


def link_to_train(label: str, dataset: str, composition: Composition, shown: str = "whole") -> None:
    """A link to the Train page with image set and composition loaded, saved or not.

    Args:
        shown: what the network is shown of an image wherever it is measured, as `evaluate.input`.
    """
    frame.link("pages/3_Train.py", label, icon="model_training", **way_to_train(dataset, composition, shown))


def way_to_train(dataset: str, composition: Composition, shown: str = "whole") -> dict[str, str]:
    """The same as the query of an address."""
    return {"dataset": dataset, "draft": to_token(composition)} | ({} if shown == "whole" else {"input": shown})


def show_fights(compositions: Sequence[Composition]) -> None:
    """A line for each pair of steps that fight; nothing where none does."""
    if found := conflicts(compositions):
        st.html(conflicts_html(found, len(compositions)))


def conflicts_html(found: Sequence[Conflict], terms: int) -> str:
    """A line for each pair, with the terms that the steps stand in where there are several."""
    return "".join(
        f'<p class="vl-fight">{html.escape(f"{_named(one.first, terms)} against {_named(one.second, terms)}: ")}'
        f"{html.escape(one.sentence)}</p>"
        for one in found
    )


def _named(place: tuple[int, str], terms: int) -> str:
    title = TRANSFORMS[place[1]].title
    return title if terms == 1 else f"{title} (term {place[0] + 1})"


def _dataset_words(name: str) -> str:
    from ssrl_core.datasets import store as image_sets

    if not image_sets.is_ready(name):
        return f"{name} (made or fetched on first use)"
    about = image_sets.summary(name)
    return f"{about.get('title') or name} · {about['count']:,}".replace(",", " ")


T = TypeVar("T")
Words = SSRLError | OSError | str


@dataclass(frozen=True)
class Slot(Generic[T]):
    """One value that a page edits, never changed in place, and what was said of it since it last changed.

    Attributes:
        name: in the session state.
        dropped: what an edit raises when it comes too late (a click on something that an undo took away meanwhile).
    """

    name: str
    dropped: tuple[type[Exception], ...] = ()

    def get(self) -> T | None:
        """The value of this session, if there is one."""
        value: T | None = st.session_state.get(self.name)
        return value

    def put(self, value: T) -> None:
        """Make this the value; what was said of the one before has lost its reason."""
        st.session_state[self.name] = value
        st.session_state[self._notes] = {}

    def edit(self, at: Hashable, change: Callable[..., T], *args: Any, **kwargs: Any) -> None:
        """Put `change(value, *args, **kwargs)`; what it refuses is said at `at`, and the value stays. For callbacks."""
        value = self.get()
        if value is None:
            return
        try:
            self.put(change(value, *args, **kwargs))
        except SSRLError as error:
            self.note(at, error)
        except self.dropped:
            return

    def note(self, at: Hashable, words: Words) -> None:
        """Note an error, or what was done, for the place where it was asked."""
        st.session_state[self._notes] = st.session_state.get(self._notes, {}) | {at: words}

    def noted(self, at: Hashable) -> Words | None:
        """What is to be said there."""
        words: Words | None = st.session_state.get(self._notes, {}).get(at)
        return words

    def show_note(self, at: Hashable) -> None:
        """Say it there: an error in its own words, or what was done."""
        words = self.noted(at)
        if isinstance(words, SSRLError):
            frame.show_error(words)
        elif isinstance(words, OSError):
            frame.show_error(not_written(words) or RunError(f"It could not be written: {words.strerror or words}."))
        elif words:
            st.info(frame.plain(words), icon=":material/info:")

    @property
    def _notes(self) -> str:
        return f"{self.name}-notes"


def show(key: str, value: Any) -> str:
    """Let the widget `key`, not yet drawn in this run, show `value` (an undo changes it from outside); `key` again."""
    if st.session_state.get(key, ...) != value:
        st.session_state[key] = value
    return key


def menu_key(name: str) -> str:
    """Key of a popover that `close_menu` can close."""
    return f"{name}-{st.session_state.get(f'{name}-turn', 0)}"


def close_menu(name: str) -> None:
    """Close it by making it another one: a popover that is closed through its state opens again with the next click
    anywhere, because the browser still sends its old state (Streamlit 1.67)."""
    st.session_state[f"{name}-turn"] = st.session_state.get(f"{name}-turn", 0) + 1


def visitor() -> str:
    """A name for each browser session."""
    return str(st.session_state.setdefault("visitor", uuid4().hex))
