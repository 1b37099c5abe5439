"""What an item takes: images, cost, the two buttons that run it, how far its runs and measurements are, stopping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.ui.kit import cache, frame
from pages.ui.kit.frame import QUIET
from pages.ui.paper import items
from ssrl_core.errors import RunError, SpecError, SSRLError
from ssrl_core.figures.style import whole_percent
from ssrl_core.paper import authors, cost, report, running, words
from ssrl_core.paper.evidence import Evidence
from ssrl_core.paper.item import EVERY_SCALE, Scale
from ssrl_core.runs import jobs
from ssrl_core.runs.queue import registry

NAMES: dict[Scale, str] = {"instant": "Solved", "small": "Rehearsal", "full": "Full"}
_BUTTONS: dict[Scale, str] = {"instant": "Solve it", "small": "Run the rehearsal", "full": "Run it in full"}
ALL = "paper-all"
"""The job that solves every item."""
_ABOUT = {
    "instant": "Within minutes, not trained: the closed form of every composition, with the paper's values and seeds",
    "small": "Within minutes or an hour on a CPU: small networks, few images, few epochs",
    "full": "Exactly the paper's settings",
}
_SAID, _ASKED = "paper-said", "paper-asked"
_WORDS = {"queued": "wait", "submitted": "wait", "running": "run now", "gone": "deleted"}
CSS = f"""
.paper-cost {{ color: {QUIET}; font-size: .88rem; line-height: 1.45; }}
.paper-cost b {{ font-weight: 500; color: inherit; }}
"""


def show_images_needed(needed: tuple[str, ...]) -> None:
    """One line for what is here; for the rest how to obtain it.

    Args:
        needed: of the item's plan.
    """
    states = [cost.check(name) for name in needed]
    here = [f"{row['title']} ({row['has'] or 'made on first use'})" for row in states if row["ready"]]
    if here:
        frame.quiet(f"Images, checked: {'; '.join(here)}.")
    lacking = [row for row in states if not row["ready"]]
    for how in dict.fromkeys(row["words"] for row in lacking):
        _obtain([row for row in lacking if row["words"] == how])
    if lacking:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            frame.link("pages/1_Data.py", "Bring images in", icon="photo_library")
            st.button("Check again", icon=":material/refresh:", key="paper-check", type="tertiary")


def prepare_images(needed: tuple[str, ...]) -> None:
    """Make or fetch what is made or fetched on first use, with its progress.

    Raises:
        SSRLError: it cannot be fetched, or its files are damaged.
    """
    from ssrl_core.datasets import store as image_sets

    for name in needed:
        if image_sets.is_ready(name):
            continue
        title = cost.NEEDED[name].title
        bar = st.progress(0.0, f"Preparing {title}, once")

        def report(done: int, total: int, what: str, bar: Any = bar, title: str = title) -> None:
            bar.progress(min(1.0, done / total) if total else 0.0, f"Preparing {title}, once: {what}")

        image_sets.load(name, report=report)


def _obtain(rows: list[dict[str, Any]]) -> None:
    """Image sets that are obtained in the same way."""
    commands = list(dict.fromkeys(command for row in rows for command in row["commands"]))
    with st.container(border=True, gap="xsmall"):
        for row in rows:
            st.markdown(f":material/download: **{frame.plain(row['title'])}** · {frame.plain(row['problem'])}")
        end = ":" if commands and not rows[0]["fetched"] else "."
        frame.quiet(f"{rows[0]['words'].rstrip('.')}{end}")
        if commands:
            st.code("\n".join(commands), language="bash", wrap_lines=True)


def buttons(name: str) -> None:
    """Solve it, run the rehearsal, run it in full; each with its cost."""
    as_authors = name in authors.READ and st.query_params.get("reading") == "authors"
    scales = [s for s in EVERY_SCALE if s in running.item(name).plans and authors.is_authors(s) == as_authors]
    for column, scale in zip(st.columns(len(scales)), scales, strict=True):
        with column:
            st.button(
                _BUTTONS[authors.base_of(scale)],
                icon=":material/play_arrow:", key=f"paper-run-{scale}", on_click=_ask, args=(name, scale),
                type="primary" if scale == scales[0] else "secondary", width="stretch",
                help=f"{_ABOUT[authors.base_of(scale)]}. What is here already is not made again.",
            )  # fmt: skip
            st.html(f'<div class="paper-cost">{_price(name, scale, items.now())}</div>')


def act(name: str, scale: Scale) -> None:
    """Do what a button has asked for, then say what that was, or why it was nothing."""
    if st.session_state.get(_ASKED) == (name, scale):
        del st.session_state[_ASKED]
        place = st.empty()
        with place.container():
            _run(name, scale)
        place.empty()
        st.rerun()  # the whole page, as it stands now
    where, what = st.session_state.get(_SAID, (None, None))
    if where != (name, scale):
        return
    if isinstance(what, SSRLError):
        frame.show_error(_short(what))
    elif what:
        frame.quiet(str(what))


def _short(error: SSRLError) -> SSRLError:
    """What is missing, without the way to obtain it, which stands below."""
    missing, queued, _ = error.message.partition("Nothing was queued.")
    return SpecError(f"{missing}{queued} How to obtain it stands below.") if missing and queued else error


@cache.kept(least=32)
def _price(name: str, scale: Scale, now: str) -> str:
    return cost_words(running.evidence(name, scale))


def cost_words(evidence: Evidence) -> str:
    """Runs, hours on a card, time on this machine, and what that rests on."""
    found, measures = cost.cost(evidence), len(evidence.plan.measures)
    if not found.runs:
        return f"No training: {measures} measurements with networks as they are."
    here = words.time(3600 * found.hours)
    if evidence.is_solved:
        return f"<b>{found.runs:,} compositions and seeds</b> · at most {here} of a processor on this machine."
    parts = [f"<b>{found.runs:,} runs</b>"]
    if found.gpu_guessed:
        parts.append(f"about {here} on this machine, {_card(found)} on a data-centre card (guessed)")
    else:
        parts.append(f"{_card(found)} on this machine's card")
    return f"{' · '.join(parts)}. {_basis(found)}"


def _card(found: cost.Cost) -> str:
    said = words.gpu(found.gpu_hours)
    return said if said.startswith("under") else f"about {said}"


def _basis(found: cost.Cost) -> str:
    if found.measured == found.runs:
        return "From step times measured here."
    if found.measured:
        return f"Step times measured here for {found.measured:,} of the runs, else from a table."
    return "Step times from a table; the first run here replaces them."


def _ask(name: str, scale: Scale) -> None:
    """Look at that scale; the work is done there, where one sees how far it is."""
    st.session_state[_ASKED] = (name, scale)
    st.session_state.pop(_SAID, None)
    st.query_params["scale"] = authors.base_of(scale)


def _run(name: str, scale: Scale) -> None:
    """Queue the runs, and measure what needs no training in a process of its own."""
    st.session_state["paper-turn"] = st.session_state.get("paper-turn", 0) + 1
    evidence = running.evidence(name, scale)
    if evidence.is_solved:
        jobs.start(job_of(name, scale), ["paper", "run", name, *report.options(scale).split()])
        return
    try:
        evidence, lacking = running.possible(evidence, name)
        prepare_images(evidence.plan.needs)
        with st.spinner("Queueing"):
            before = {row["id"]: str(row["state"]) for row in registry.list_runs(demo=False)}  # items share runs
            running.queue(evidence)
    except SSRLError as error:
        st.session_state[_SAID] = ((name, scale), error)
        return
    measuring = _measure(evidence, name, scale)
    left_out = (
        f" Left out, as its images are not here: {', '.join(row['title'] for row in lacking)}." if lacking else ""
    )
    st.session_state[_SAID] = ((name, scale), answer(before, _states(evidence), measuring) + left_out)


def _measure(evidence: Evidence, name: str, scale: Scale) -> bool:
    """Start the measurements that are not made yet; whether there are any."""
    if all(evidence.measure(label) is not None for label in evidence.plan.measures):
        return False
    jobs.start(job_of(name, scale), ["paper", "run", name, *report.options(scale).split(), "--measures-only"])
    return True


def job_of(name: str, scale: str) -> str:
    """The name of the job that makes an item's measurements."""
    return f"paper-{name}-{scale}"


def _states(evidence: Evidence) -> dict[str, str]:
    """State of each run that there is."""
    return {row["id"]: str(row["state"]) for row in evidence.runs() if row["state"] != "gone"}


def answer(before: Mapping[str, str], after: Mapping[str, str], measuring: bool) -> str:
    """What a press did, as a sentence.

    Args:
        before, after: run -> state. measuring: whether measurements are being made, which tell their own progress.
    """
    new = sum(run not in before for run in after)
    again = sum(before.get(run) in ("failed", "stopped") and state in frame.ACTIVE for run, state in after.items())
    there = len(after) - new - again
    parts = [f"{new:,} {'runs were' if new != 1 else 'run was'} queued"] if new else []
    parts += [f"{again:,} that had stopped or failed {'go' if again != 1 else 'goes'} on"] if again else []
    if parts and there:
        parts.append(f"{there:,} were here or waiting already")
    elif there:
        parts.append(f"Nothing was queued: all {there:,} runs are here or waiting already")
    if not parts:
        return "" if measuring else "Nothing to do: all measurements are made."
    return f"{'; '.join(parts)}."


def standing(name: str, scale: Scale) -> None:
    """How far runs and measurements are."""
    evidence = running.evidence(name, scale)
    rows = evidence.runs()
    live = any(row["state"] in frame.ACTIVE for row in rows)
    if live or _job(name, scale)[1] is not None:
        _watched(name, scale)
    else:
        _standing(name, scale)


def _job(name: str, scale: Scale) -> tuple[str, dict[str, Any] | None]:
    """The job that works on an item, and its state while it runs; solving may be that of all items."""
    every = [job_of(name, scale), *([ALL] if scale == "instant" else [])]
    for job in every:
        now = jobs.state_of(job)
        if now is not None and now["state"] == "running":
            return job, now
    return every[0], None


def _standing(name: str, scale: Scale) -> None:
    evidence = running.evidence(name, scale)
    rows = evidence.runs()
    if rows:
        _runs((name, scale), evidence, rows)
    _measurements(evidence, name, scale)


_watched = st.fragment(run_every=2.0)(_standing)


def _runs(where: tuple[str, str], evidence: Evidence, rows: list[dict[str, Any]]) -> None:
    done = sum(row["state"] == "done" for row in rows)
    under_way = sum(float(row.get("progress") or 0) for row in rows if row["state"] == "running")
    total = max(len(rows), sum(sum(states.values()) for states in evidence.progress().values()))
    st.html(frame.progress_bar((done + under_way) / total))
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", gap="small"):
        with st.container(width="content"):
            st.html(f'<p class="vl-quiet">{runs_words(rows, total)}</p>')
        if any(row["state"] in frame.ACTIVE for row in rows):
            st.button(
                "Stop", icon=":material/stop_circle:", key="paper-stop", type="tertiary", on_click=_stop,
                args=(where, [row["id"] for row in rows]), help="After a checkpoint; the button goes on from there",
            )  # fmt: skip
    failed = [row["id"] for row in rows if row["state"] == "failed"]
    if failed:
        frame.link("pages/3_Train.py", "See why a run failed", icon="error", run=failed[0])


def runs_words(rows: list[dict[str, Any]], total: int) -> str:
    """`4 of 10 runs are done; 2 run now, 4 wait · 3 min left`, as HTML."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["state"]] = counts.get(row["state"], 0) + 1
    done = counts.pop("done", 0)
    if done == total:
        return f"All {total:,} runs are done."
    if total > len(rows):
        counts["not queued"] = total - len(rows)
    rest = ", ".join(f"{n:,} {_WORDS.get(state, state)}" for state, n in counts.items())
    again = " The button runs these again." if {"failed", "stopped", "gone"} & set(counts) else ""
    return f"{done:,} of {total:,} runs are done; {rest}{_left(rows)}.{again}"


def _left(rows: list[dict[str, Any]]) -> str:
    """How long those that run will take, as HTML; "" where it is not known."""
    known = [float(row["eta_s"]) for row in rows if row["state"] == "running" and row.get("eta_s")]
    if not known:
        return ""
    return f" · {frame.time_left(max(known))} for {'those that run' if len(known) > 1 else 'the one that runs'}"


def _stop(where: tuple[str, str], ids: list[str]) -> None:
    from ssrl_core.runs.queue import stopping

    st.session_state[_SAID] = (where, "Stopping, after a checkpoint each; the button above goes on from there.")
    st.session_state["paper-turn"] = st.session_state.get("paper-turn", 0) + 1
    stopping.stop_all(ids)


def _measurements(evidence: Evidence, name: str, scale: Scale) -> None:
    """What is measured without training."""
    unmade = [label for label in evidence.plan.measures if evidence.measure(label) is None]
    job, at_work = _job(name, scale)
    if at_work is not None:
        _working(job, at_work, "Solving" if evidence.is_solved else "Measuring what needs no training")
        return
    now = jobs.state_of(job)
    if evidence.is_solved:
        _solved(evidence, now)
        return
    if unmade and now is not None and now["state"] == "failed":
        frame.show_error(RunError(f"Measuring what needs no training failed. {now['message']}"))
    elif unmade and (evidence.runs() or now is not None):
        what = "measurement needs" if len(unmade) == 1 else "measurements need"
        frame.quiet(f"{len(unmade)} {what} no training and {'is' if len(unmade) == 1 else 'are'} not made yet.")


def _working(job: str, now: Mapping[str, Any], what: str, *, at_top: bool = False) -> None:
    """How far a job is, and a way to stop it."""
    share = min(1.0, max(0.0, float(now["progress"])))
    of_all = " everything" if job == ALL else ""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.progress(share, f"{what}{of_all}: {whole_percent(share)}")
        if job != ALL or at_top:  # that of everything stands once on the page
            st.button("Stop", key=f"paper-stop-{job}", type="tertiary", on_click=jobs.stop, args=(job,))


def _solved(evidence: Evidence, now: Mapping[str, Any] | None) -> None:
    """How many compositions are solved, and why solving ended."""
    counts = running.totals(evidence.progress())
    done, total = counts.get("done", 0), sum(counts.values())
    if done:
        rest = "" if done == total else "; the button solves the rest"
        frame.quiet(f"{done:,} of {total:,} compositions and seeds are solved{rest}.")
    if now is not None and now["state"] == "failed":
        frame.show_error(RunError(f"Solving failed. {now['message']}"))


def all_of_it() -> None:
    """One button that solves every item whose images are here, with its progress."""
    now = jobs.state_of(ALL)
    if now is not None and now["state"] == "running":
        _all_watched()
        return
    st.button(
        "Show me all of it", icon=":material/bolt:", key="paper-all", on_click=_start_all,
        help="Solve every table and figure whose images are here, without training. It takes up to half an hour on "
        "two cores and goes on where it was stopped.",
    )  # fmt: skip
    if now is not None and now["state"] == "failed":
        frame.show_error(RunError(f"Not everything was solved. {now['message']}"))


@st.fragment(run_every=2.0)
def _all_watched() -> None:
    now = jobs.state_of(ALL)
    if now is None or now["state"] != "running":
        st.rerun()
    else:
        _working(ALL, now, "Solving", at_top=True)


def _start_all() -> None:
    jobs.start(ALL, ["paper", "run", running.EVERY, "--scale", "instant"])
