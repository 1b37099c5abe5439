"""What every page shares: its frame, the sidebar, errors in words, empty states, words for counts and durations.

A page opens by itself, in whatever order: nothing here relies on `app.py` having run.

The look is Streamlit's theme and a few rules of CSS, so few that an update breaks little; colours that depend on the
theme are written `light-dark(a, b)`: Streamlit sets `color-scheme` with its theme.
"""

from __future__ import annotations

import base64
import html
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.ui.kit import sign_in
from ssrl_core import access, stores
from ssrl_core.errors import RunError, SSRLError, not_written
from ssrl_core.figures.style import whole_percent
from ssrl_core.runs.queue import run_names
from ssrl_core.runs.queue.registry import RunRow

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

INK = "light-dark(#14181f, #e8ebef)"
QUIET = "light-dark(#5b6470, #9aa4b1)"
LINE = "light-dark(#e2e6eb, #2a313a)"
PANEL = "light-dark(#f6f7f9, #171b21)"
ACCENT = "light-dark(#0f766e, #2dd4bf)"
WARNING = "light-dark(#b45309, #f59e0b)"
DANGER = "light-dark(#b91c1c, #f87171)"
IMAGE_GROUND = "#0b0d10"

_RULES = f"""
.stApp {{ font-variant-numeric: tabular-nums; }}
[data-testid="stHeader"] {{ background: transparent; }}
[data-testid="stMainBlockContainer"] {{ padding: 2.4rem 1.6rem 4rem; max-width: 1760px; }}
[data-testid="stSidebarHeader"] {{ height: 2.6rem; margin-bottom: 0; }}
[data-stale="true"] {{ opacity: 1 !important; transition: none !important; }}
[data-testid="stImage"] img {{ background: {IMAGE_GROUND}; border-radius: 4px; }}
[data-testid="stHeading"] [data-testid="stMarkdownContainer"] {{ margin-bottom: 0; }}
h1 {{ padding: 0 !important; line-height: 1.25 !important; }}
[data-testid="stBaseButton-primary"], [data-testid="stPopover"] button[kind="primary"],
[data-testid="stMultiSelect"] [data-baseweb="tag"] {{ color: light-dark(#ffffff, #06201c); }}
.vl-question {{ color: {QUIET}; margin: 0; font-size: 1rem; line-height: 1.4; max-width: 110ch; }}
.vl-quiet {{ color: {QUIET}; font-size: .86rem; line-height: 1.4; }}
.vl-group {{ color: {QUIET}; font-size: .72rem; letter-spacing: .06em; text-transform: uppercase;
  margin: .7rem 0 0 .5rem; }}
.vl-empty {{ text-align: center; color: {QUIET}; padding-top: 8vh; }}
.vl-empty img {{ width: 184px; height: auto; display: block; margin: 0 auto 1rem; }}
.vl-empty .vl-question {{ margin: 0 auto 1rem; }}
.vl-fight {{ color: {WARNING}; font-size: .9rem; line-height: 1.4; margin: .1rem 0; }}
.vl-bar {{ height: 4px; border-radius: 2px; background: {LINE}; overflow: hidden; margin: .25rem 0; }}
.vl-bar > i {{ display: block; height: 100%; background: {ACCENT}; }}
.vl-now {{ font-size: .86rem; line-height: 1.35; margin-bottom: .5rem; }}
.vl-now b {{ font-weight: 500; display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }}
.vl-now span {{ color: {QUIET}; }}
.vl-store {{ color: {QUIET}; font-size: .76rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
  direction: rtl; text-align: left; }}
.st-key-vl-sidebar-links, .st-key-vl-brand {{ gap: .1rem; }}
.st-key-vl-brand a p {{ font-size: 1.15rem; font-weight: 600; letter-spacing: -.01em; }}
@media (max-width: 640px) {{ [data-testid="stMainBlockContainer"] {{ padding: 3.4rem 1rem 3rem; }} }}
@media print {{
  /* charts keep the width that they have on the screen: a sheet of that width, which printers make smaller */
  @page {{ size: 400mm 566mm; margin: 12mm; }}
  [data-testid="stSidebar"], [data-testid="stToolbar"] {{ display: none; }}
}}
"""


ROOT = Path(__file__).resolve().parents[3]
DRAWINGS = Path(__file__).with_name("drawings")

# group -> (file, name, Material symbol); a page that does not exist yet is not shown
PAGES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Design": (
        ("pages/1_Data.py", "Data", "photo_library"),
        ("pages/2_Compose.py", "Compose", "tune"),
        ("pages/3_Train.py", "Train", "model_training"),
    ),
    "Look": (
        ("pages/4_Clusters.py", "Clusters", "bubble_chart"),
        ("pages/5_Classes.py", "Classes", "bar_chart"),
        ("pages/6_Compare.py", "Compare", "compare"),
        ("pages/9_Screen.py", "Screen", "grid_on"),
    ),
    "Tell": (("pages/8_Show.py", "Show", "co_present"), ("pages/7_Paper.py", "Paper", "article")),
}
SIDEBAR_PX = 216
_UNDER_WAY, _JUST_DONE = "frame-under-way", "frame-just-done"
SETTINGS = {
    "batch_size": "the number of images in a batch",
    "limit_train": "the number of images",
    "lr": "the learning rate",
    "lr_scaling": "the learning rate's scaling",
    "warmup_lr": "the warm-up learning rate",
    "warmup_epochs": "the number of warm-up epochs",
    "final_lr": "the final learning rate",
    "weight_decay": "the weight decay",
    "queue_size": "the length of the queue",
    "hidden_dim": "the width of the hidden layer",
    "projection_dim": "the width of the projection",
    "pixel_size_um": "the size of a pixel in µm",
    "thickness_px": "the thickness in px",
}
_MARKS = re.compile(r"[\\`*_\[\]$<>~]|:(?=[A-Za-z]|[\w+-]+:)")  # the last: `:red[…]`, `:+1:`
_LINKS = re.compile(r"(https?:|www|@)(?=[/.\w])", re.IGNORECASE)  # become links even where their signs are escaped
_JOINER = "\u2060"  # has no width
ACTIVE = ("running", "submitted", "queued")
_MOST_NOW = 3  # runs under way that the sidebar names


def open_page(name: str, question: str, *, title: str = "", css: str = "") -> Any:
    """Set the page up: browser title, look, sidebar, heading.

    Args:
        name: the page's, as the sidebar says it, e.g. "Clusters"; its symbol stands before the heading.
        question: one sentence, the question that the page answers.
        title: what the heading says; left out, the name.
        css: rules that only this page needs.

    Returns:
        The place at the top right for the page's one primary action: `with place: st.button(...)`.
    """
    stores.prepare_caches()
    title = title or name
    st.set_page_config(
        page_title="Viewloom" if title == "Viewloom" else f"{title} · Viewloom",
        page_icon=str(DRAWINGS / "viewloom.svg"),  # a Material symbol here would be fetched from another host
        layout="wide",
        initial_sidebar_state=SIDEBAR_PX,
    )
    st.html(f"<style>{_scheme()}{_RULES}{css}</style>")
    _let_in(name)
    _sidebar(name)
    icon = next((entry[2] for group in PAGES.values() for entry in group if entry[1] == name), "")
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        with st.container(gap="xxsmall", width="content"):
            st.title(f":gray[:material/{icon}:] {title}" if icon else title, anchor=False)
            st.html(f'<p class="vl-question">{html.escape(question)}</p>')
        place = st.container(width="content", horizontal=True, horizontal_alignment="right")
    if not stores.has_room(stores.models_root()):
        words = "can be written: it is full or read-only. What is there can be looked at; to make room, delete runs."
        warn(f"Nothing in {stores.models_root()} {words}")
    return place


def _scheme() -> str:
    """The theme as CSS for dialogs and popovers, which Streamlit draws outside of what it gives its `color-scheme`."""
    return f"@media screen {{ :root {{ color-scheme: {st.context.theme.type or 'light dark'}; }} }}"


def _let_in(name: str) -> None:
    """Stop here where who opens the page may not see it; what they may do there is asked by the calls of the core."""
    person = access.current()
    if person.role == access.UNKNOWN:
        if person.name:
            quiet(f"{person.name}: {sign_in.NOT_KNOWN}")
            st.button("Sign out", on_click=st.logout)
        elif sign_in.sign_in() == "oidc":
            quiet("Sign in to see what is here.")
            st.button("Sign in", type="primary", on_click=st.login)
        else:
            st.error("Others than this machine reach this app, and nobody signs in. Start it by `viewloom --host …`.")
        st.stop()
    if person.only is not None:
        if name != "Show":
            st.error("One run is shown here, and nothing else.")
            st.stop()
        st.query_params["run"] = person.only
    elif person.role == access.VIEWER and name in {entry[1] for entry in PAGES["Design"]}:
        _sidebar(name)
        quiet("Image sets, compositions and trainings are for editors; you look at this as a viewer.")
        st.stop()


@contextmanager
def guard() -> Iterator[None]:
    """Show an SSRLError in its own words, and that a disk takes nothing, then let the page go on."""
    try:
        yield
    except SSRLError as error:
        show_error(error)
    except OSError as error:
        if (told := not_written(error)) is None:
            raise
        show_error(told)


def show_error(error: SSRLError) -> None:
    """One error in its own words: what the user can mend in amber, a failed run in red."""
    if isinstance(error, RunError):
        st.error(plain(in_words(error.message)), icon=":material/error:")
    else:
        warn(in_words(error.message))


def in_words(message: str) -> str:
    """A message as a page says it: settings by their words, not by their names in a file."""
    named = re.sub(r"\b(" + "|".join(map(re.escape, SETTINGS)) + r")\b(?![./])", lambda m: SETTINGS[m[1]], message)
    return named.replace(", got None.", "; nothing is given.")


def empty(
    sentence: str,
    *,
    icon: str | None = None,
    drawing: str = "nothing",
    button: str | None = None,
    page: str | None = None,
    stop: bool = True,
) -> None:
    """An empty state: a drawing, one sentence, one button to the page that fills it; then the script stops.

    Args:
        sentence: what is missing, e.g. "No runs yet."
        icon: Material symbol of the button.
        drawing: name of an SVG in `pages/ui/drawings`.
        button, page: the button's verb and the page it opens ("pages/3_Train.py"); left out where it is not there.
        stop: False lets the page go on below.
    """
    st.html(f'<div class="vl-empty">{_drawing(drawing)}<p class="vl-question">{html.escape(sentence)}</p></div>')
    if button and page and (ROOT / page).is_file():
        with st.container(horizontal=True, horizontal_alignment="center"):
            symbol = f":material/{icon}:" if icon else None
            if st.button(button, icon=symbol, type="primary", key=f"empty-{page}"):
                st.switch_page(page)
    if stop:
        st.stop()


def section(title: str, sentence: str = "") -> None:
    """A heading inside a page, with one quiet sentence."""
    if not sentence:
        st.subheader(plain(title), anchor=False)
        return
    with st.container(gap="xxsmall"):
        st.subheader(plain(title), anchor=False)
        quiet(sentence)


def group(name: str) -> None:
    """A small heading over entries of a menu or a list."""
    st.html(f'<div class="vl-group" style="margin-left:0">{html.escape(name)}</div>')


def quiet(sentence: str) -> None:
    """One line in the secondary colour; the text is shown as it is (no Markdown)."""
    st.html(f'<p class="vl-quiet">{html.escape(sentence)}</p>')


def finding(sentence: str) -> None:
    """The finding of the figure below: outside of it, as a title in a figure does not wrap."""
    if sentence:
        st.html(f'<p class="vl-finding"><b>{html.escape(sentence)}</b></p>')


def warn(sentence: str) -> None:
    """What one should know before believing what is shown, in amber."""
    st.warning(plain(sentence), icon=":material/info:")


def chart(fig: Figure, key: str, **more: Any) -> Any:
    """A figure without Plotly's tools over it; `more` goes to `st.plotly_chart`, whose answer comes back."""
    return st.plotly_chart(fig, key=key, config={"displayModeBar": False}, **more)


def action(label: str, icon: str, do: Callable[..., None], *args: Any, key: str, **more: Any) -> None:
    """A button with a symbol that calls `do(*args)` before the page is drawn anew; `more` goes to `st.button`."""
    st.button(plain(label), icon=f":material/{icon}:", key=key, on_click=do, args=args, **more)


def page_exists(file: str) -> bool:
    """True if the page is there, e.g. "pages/4_Clusters.py"."""
    return (ROOT / file).is_file()


def link(file: str, label: str, *, icon: str | None = None, **query: str) -> None:
    """A link to another page (its address may name a run or an image set); nothing where the page is not there."""
    if not page_exists(file):
        return
    try:
        st.page_link(file, label=plain(label), icon=f":material/{icon}:" if icon else None, query_params=query or None)
    except st.errors.StreamlitAPIException:  # a page that is run alone, without app.py, knows no other pages
        quiet(label)


def known_runs() -> list[RunRow]:
    """Every run of the store, newest first, then demo runs: the registry's columns, as dictionaries."""
    from ssrl_core.runs.queue import registry

    return registry.list_runs()


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`1 field`, `1,200 fields`; `plural` where it is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def joined(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def duration(seconds: float | None) -> str:
    """A length of time in words: "40 s", "3 min", "2 h 10 min", "3 d"; "" when unknown."""
    if seconds is None or math.isnan(seconds) or seconds < 0:
        return ""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{round(hours / 24)} d"


def time_left(eta_s: float | None) -> str:
    """`3 min left`, as HTML with the time of day on hover; "" when unknown."""
    words = duration(eta_s)
    if not words:
        return ""
    at = datetime.now() + timedelta(seconds=float(eta_s or 0))
    return f'<span title="until {at:%H:%M} ({at:%d %b})">{words} left</span>'


def progress_bar(share: float | None) -> str:
    """A thin bar as HTML; `share` in 0..1."""
    width = 0.0 if share is None or math.isnan(share) else 100 * min(max(float(share), 0.0), 1.0)
    return f'<div class="vl-bar"><i style="width:{width:.1f}%"></i></div>'


def _drawing(name: str) -> str:
    """A drawing as an image element; Streamlit strips inline SVG from HTML."""
    file = DRAWINGS / f"{name}.svg"
    if not file.is_file():
        return ""
    return f'<img alt="" src="data:image/svg+xml;base64,{base64.b64encode(file.read_bytes()).decode()}">'


def plain(text: str) -> str:
    """Text for what Streamlit reads as Markdown (boxes, labels, headings, help): a name stays a name.

    A user's name must become neither formatting nor a link, nor an image that the browser would fetch from elsewhere.
    """
    return _LINKS.sub(rf"\1{_JOINER}", _MARKS.sub(r"\\\g<0>", text)).replace("\n", "  \n")


def _sidebar(page: str) -> None:
    with st.sidebar:
        with st.container(key="vl-brand"):
            link("app.py", "Viewloom", icon="blur_on")
        with st.container(key="vl-sidebar-links"):
            person = access.current()
            for group, entries in PAGES.items():
                seen = not person.only and (group != "Design" or person.role == access.EDITOR)
                present = [entry for entry in entries if seen and page_exists(entry[0])]
                if present:
                    st.html(f'<div class="vl-group">{group}</div>')
                for file, name, icon in present:
                    link(file, name, icon=icon)
        if person.only:
            return
        _what_runs_now(page != "Train")
        if person.hosted:
            _who(person)
            return
        models = str(stores.models_root())
        st.html(f'<div class="vl-store" title="Store in use: {html.escape(models)}">&lrm;{html.escape(models)}</div>')


def _who(person: access.Person) -> None:
    """As what one is signed in, and the way out."""
    st.html(f'<div class="vl-quiet">{html.escape(person.name)} {person.role}</div>')
    if sign_in.sign_in() == "oidc":
        st.button("Sign out", key="frame-sign-out", type="tertiary", on_click=st.logout)
    elif sign_in.sign_in() == "password":
        st.html('<a class="vl-quiet" href="/sign-out" target="_self">Sign out</a>')


@st.fragment(run_every=3.0)
def _what_runs_now(listed: bool) -> None:
    """Runs under way with their progress; reads the registry only, so that it costs next to nothing.

    Args:
        listed: False on the page whose queue says the same.
    """
    known = known_runs()
    rows = [run for run in known if run.get("state") in ACTIVE]
    if listed:
        st.html(f'<div class="vl-group" style="margin-left:0">Runs now</div>{now_html(rows)}')
    _ended(known, {str(run["id"]) for run in rows})


def _ended(known: Sequence[RunRow], active: set[str]) -> None:
    """The run that was under way a moment ago and is done now, with the way to its map."""
    before: set[str] = st.session_state.get(_UNDER_WAY, set())
    over = before - active  # once, and not for each of ten thousand runs
    done = [run for run in known if str(run["id"]) in over and run.get("state") == "done"] if over else []
    if done:
        st.session_state[_JUST_DONE] = str(done[0]["id"])
    st.session_state[_UNDER_WAY] = active
    just_done = st.session_state.get(_JUST_DONE)
    if just_done is not None and st.query_params.get("run") == just_done:
        del st.session_state[_JUST_DONE]  # it is looked at
        just_done = None
    if just_done and (run := next((run for run in known if run["id"] == just_done), None)):
        st.html(f'<div class="vl-now"><b>{html.escape(run_names.words(run))}</b><span>is done.</span></div>')
        link("pages/4_Clusters.py", "Look at it", icon="bubble_chart", run=str(run["id"]))


def now_html(rows: Sequence[RunRow]) -> str:
    """The runs under way as HTML: the first few with progress, the rest counted."""
    if not rows:
        return '<div class="vl-now"><span>Nothing is running.</span></div>'
    order = sorted(rows, key=lambda run: ACTIVE.index(run["state"]))
    items = [_now_item(run) for run in order[:_MOST_NOW]]
    if len(order) > _MOST_NOW:
        items.append(f'<div class="vl-now"><span>and {len(order) - _MOST_NOW} more in the queue</span></div>')
    return "".join(items)


def _now_item(run: RunRow) -> str:
    name, run_id = html.escape(run_names.words(run)), html.escape(str(run.get("id")))
    head = f'<div class="vl-now"><b title="{run_id}">{name}</b>'
    if run["state"] != "running":
        return f"{head}<span>waits</span></div>"
    if run.get("lost"):
        return f"{head}<span>no sign of life</span></div>"
    share = run.get("progress")
    percent = whole_percent(share) if isinstance(share, int | float) and not math.isnan(share) else ""
    words = " · ".join(part for part in (str(run.get("phase") or ""), percent, time_left(run.get("eta_s"))) if part)
    return f"{head}{progress_bar(share)}<span>{words}</span></div>"
