"""A run opened as a sheet: how far it is, its curves, what it found, its network to download, its log; stop, delete."""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from pages.ui.kit import choices, frame, jobs
from pages.ui.kit.frame import QUIET, WARNING
from pages.ui.train import actions, start
from pages.ui.train.draft import DRAFT
from ssrl_core import exports, stores
from ssrl_core.datasets.kinds import of_cells
from ssrl_core.errors import RunError, SSRLError
from ssrl_core.exports.encoder_file import encoder_path, loading_code, metadata_and_keys
from ssrl_core.figures.style import percent, score
from ssrl_core.runs.folder import verdict
from ssrl_core.runs.folder.results import Results, Scores
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import run_names
from ssrl_core.runs.queue.registry import RunRow
from ssrl_core.specs.backbones import BANKS
from ssrl_core.specs.parts import columns

AT_ONCE = ("safetensors", "torchvision", "card")
IN_BACKGROUND = ("onnx",)
_MIME = "application/octet-stream"
LIVE_S = 2.0
_LOG_LINES, _SEARCHED_LINES = 200, 20_000

CSS = f"""
.train-facts {{ display: flex; flex-wrap: wrap; gap: .3rem 1.6rem; margin: .2rem 0; }}
.train-facts div {{ line-height: 1.3; }}
.train-facts small {{ display: block; color: {QUIET}; font-size: .76rem; }}
.st-key-train-sheet-delete-yes button, .st-key-train-sheet-delete-yes button:hover {{ background: #b91c1c;
  border-color: #b91c1c; color: #ffffff; }}
.train-hint {{ color: {WARNING}; font-size: .9rem; margin: 0; }}
.train-verdict {{ margin: 0 0 .4rem; max-width: 62rem; }}
.train-results {{ border-collapse: collapse; font-size: .92rem; margin: .2rem 0 .6rem; }}
.train-results th, .train-results td {{ text-align: right; padding: .15rem 0 .15rem clamp(.6rem, 2vw, 1.4rem); }}
.train-results th {{ font-weight: 500; color: {QUIET}; vertical-align: bottom; }}
.train-results td {{ white-space: nowrap; }}
.train-results th:first-child, .train-results td:first-child {{ text-align: left; padding-left: 0; }}
.train-results b {{ font-weight: 600; }}
"""


def sheet(run_id: str) -> None:
    """The sheet of a run; follows it by itself while it is under way."""
    row = _row(run_id)
    if row is None:
        frame.quiet(f"There is no run “{run_id}” here; it may have been deleted.")
        return
    live = row["state"] in frame.ACTIVE
    every_s = LIVE_S if live else None
    opened(run_names.words(row), lambda: _buttons(row), _body, run_id, live, every_s=every_s)


def _body(run_id: str, live: bool) -> None:
    row = _row(run_id)
    if row is None or (live and row["state"] not in frame.ACTIVE):
        st.rerun()  # it ended, or was deleted: buttons and pace change with it
    run = RunFolder(run_id)
    with frame.guard():
        state = run.state()
        metrics = run.metrics()
        st.html(_standing(row) + _facts(row, state, metrics))
        frame.quiet(_recipe(run))
        _trouble(row, state)
        _curves(run, row, metrics)
        if row["state"] == "done":
            _results(run)
        _folded(run)


def _standing(row: RunRow) -> str:
    from pages.ui.train.queue import under_html

    return under_html(row, brief=True)


def _recipe(run: RunFolder) -> str:
    """What the run does, in a sentence."""
    spec = run.spec()
    several = len(spec.terms) > 1
    said = [
        f"{f'{term.weight:g} × ' if several else ''}{term.composition.name} ({term.composition.sentence()})"
        for term in spec.terms
    ]
    if spec.is_solved:
        row = BANKS.get(spec.backbone.name)
        return f"Solved, not trained: {row.title if row else spec.backbone.name}, under {' + '.join(said)}."
    if not spec.is_trained:
        return f"The network as it comes, with weights: {spec.backbone.weights or 'none'}; nothing is trained."
    images = f"{spec.limit_train:,} images" if spec.limit_train else "all train images"
    told = " The projector was told what was drawn." if spec.condition == "draws" else ""
    return f"{spec.epochs} epochs of {images} in batches of {spec.batch_size}, under {' + '.join(said)}.{told}"


def _facts(row: RunRow, state: dict[str, Any], metrics: Any) -> str:
    """Device, speed, step, attempts, since when: what is known of them."""
    speed, steps, ranks = state["images_per_s"], state["steps"], metrics["effective_rank"].dropna()
    facts = [
        ("device", state["device"]),
        ("images/s", f"{speed:,.0f}" if speed else None),
        ("step", f"{state['step']:,} of {steps:,}" if steps else None),
        ("epoch", f"{state['epoch']:.1f} of {state['epochs']}" if steps and state["epochs"] else None),
        ("effective rank", f"{ranks.iloc[-1]:.1f}" if len(ranks) else None),
        ("memory", memory_of(state) if row["state"] == "running" else None),
        ("GPU memory", _size(state["device_memory_bytes"]) if row["state"] == "running" else None),
        ("where", row.get("worker") if row["state"] == "running" else None),
        ("started", _clock(row.get("started_at"))),
        ("attempt", row["attempt"] if (row.get("attempt") or 0) > 1 else None),
    ]
    items = [f"<div><small>{name}</small>{html.escape(str(value))}</div>" for name, value in facts if value is not None]
    return f'<div class="train-facts">{"".join(items)}</div>'


def memory_of(state: dict[str, Any]) -> str | None:
    """Memory of a run's process, where it runs on this machine."""
    import socket

    import psutil

    if not state["pid"] or state["host"] != socket.gethostname():
        return None
    try:
        return _size(psutil.Process(state["pid"]).memory_info().rss)
    except psutil.Error:
        return None


def _size(count: int | None) -> str | None:
    from ssrl_core.runs.worker.estimate import size

    return None if count is None else size(count)


def _trouble(row: RunRow, state: dict[str, Any]) -> None:
    """Why it failed and what to do, or what is worth knowing while it runs."""
    if row["state"] == "failed":
        error = state["error"] or {}
        message, remedy = str(row.get("reason") or error.get("message") or ""), str(error.get("remedy") or "")
        frame.show_error(RunError(message if not remedy or remedy in message else f"{message} {remedy}"))
    elif row["state"] == "running" and row.get("reason"):
        frame.quiet(str(row["reason"]))


def _curves(run: RunFolder, row: RunRow, metrics: Any) -> None:
    from ssrl_core.figures.curves import training_curves

    figures = training_curves(metrics)
    if not figures and not run.spec().is_trained:
        if row["state"] in frame.ACTIVE:
            frame.quiet("There are no curves: it is solved at once, then measured. The results show up here.")
        return
    if not figures:
        words = "The curves begin with the first steps." if row["state"] in frame.ACTIVE else "There are no curves."
        with st.container(height=250, border=False):
            frame.quiet(words)
        return
    for column, (name, figure) in zip(st.columns(len(figures)), figures.items(), strict=True):
        with column:
            frame.chart(figure, f"train-curve-{run.id}-{name}")
    for names in (["compile"], ["collapse", "diverged"]):
        told = metrics[metrics["name"].isin(names)]["message"].dropna()
        if len(told):
            st.html(f'<p class="train-hint">{html.escape(str(told.iloc[-1]))}</p>')


def _results(run: RunFolder) -> None:
    """What was measured, beside raw pixels and the untrained network (of a solved one: its features alone)."""
    results = run.results()
    if not results:
        return
    solved = run.spec().is_solved
    st.html(results_html(results, untrained="Its features alone" if solved else "Untrained"))
    said = verdict.in_words(results, run.spec())
    st.html(f'<p class="train-verdict">{html.escape(said)}</p>')
    _shares(run, results)
    with st.container(horizontal=True, gap="medium"):
        choices.travels("run", run.id)  # the Look pages open with what was looked at last
        frame.link("pages/4_Clusters.py", "Look at it", icon="bubble_chart", run=run.id)
        if results.probes:
            frame.link("pages/5_Classes.py", "Classes", icon="bar_chart", run=run.id)
        if of_cells(run.spec().dataset.name):
            frame.link("pages/8_Show.py", "Show the cells", icon="co_present", run=run.id)
        popover(run)


def _shares(run: RunFolder, results: Results) -> None:
    """What can be read from the run beside pixels and beside its forecast; the button that asks for it."""
    from ssrl_core.figures.curves import shares_figure

    table = verdict.shares_table(results)
    if len(table):
        frame.section("What can be read from it, beside the forecast")
        frame.chart(shares_figure(table), f"train-shares-{run.id}")
        frame.quiet(
            "Each point is the share of a thing that a linear reading finds on images it was not fitted on (R² of "
            "numbers, accuracy of classes), with its 95 % interval. The forecast was made from the composition alone, "
            "with fixed features; it promises the order, not the values."
        )
    why = [results.missing[part] for part in ("read", "forecast") if part in results.missing]
    if why:
        frame.quiet(f"Not measured: {'; '.join(why)}.")
    lacking = [part for part in ("read", "forecast") if not results.entry(part) and part not in results.missing]
    if lacking and not run.is_demo:
        frame.action(
            "Read descriptors from it, beside the forecast",
            "query_stats",
            actions.ask_to_read,
            run.id,
            key=f"train-read-{run.id}",
            help="In the background; nothing is trained again. Some seconds for small images.",
        )


def results_html(results: Results, untrained: str = "Untrained") -> str:
    """A table: this network, untrained, raw pixels; on the images, and on images passed through the composition."""
    k, clusters = next(iter(results.clusters.items()), ("", None))
    knn, linear = results.knn, results.linear

    def line(name: str, top1: float | None, own: Scores, view: Scores) -> str:
        cells = [percent(own.knn), percent(top1) if top1 is not None else "", score(own.ami)]
        cells += [percent(view.knn), score(view.ami)]
        return f"<tr><td>{name}</td>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"

    def reference(name: str, key: str, top1: float | None = None) -> str:
        return line(name, top1, results.reference(key), results.reference(key, of_views=True))

    head = "".join(
        f'<th title="{about}">{name}</th>'
        for name, about in (
            ("", ""),
            ("kNN", "Share of images whose class their nearest neighbours vote for"),
            ("linear", "Share that a linear classifier on the frozen embedding gets right"),
            (f"AMI, K = {k}" if k else "AMI", "Agreement of clusters and labels: 1 the same, 0 chance"),
            ("kNN of views", "The same for images passed once through the composition"),
            ("AMI of views", "The same for images passed once through the composition"),
        )
    )
    own = Scores(knn.top1 if knn else None, clusters.ami if clusters else None)
    rows = [
        line("<b>This network</b>", linear.top1 if linear else None, own, results.view),
        reference(untrained, "untrained"),
        reference("Raw pixels", "pixels", linear.pixels.top1 if linear and linear.pixels else None),
    ]
    under = f"{results.n:,} {results.split} images"
    quiet = ("read", "forecast")  # what of them is missing is said, or not drawn, where they are shown
    missing = {key: why for key, why in results.missing.items() if key.partition(".")[0] not in quiet}
    told = {why for key, why in missing.items() if not key.endswith("silhouette_projection")}
    said = f"{under}. Not measured: {html.escape('; '.join(sorted(told)))}." if told else f"{under}."
    for part, column in columns():
        value = results.columns()[column.name]
        if part.name not in ("clusters", "knn", "linear") and value is not None:
            said += f" {column.title} {percent(value) if column.share else score(value)}."
    table = f'<div style="overflow-x:auto"><table class="train-results"><tr>{head}</tr>{"".join(rows)}</table></div>'
    if own == Scores() and linear is None:
        table = ""  # without labels there is nothing to be beside
    tuned = {100 * float(share): one.top1 for share, one in results.finetune.items()}
    if tuned:
        told_of = "; ".join(f"{share:g} % of the labels: {percent(top1)}" for share, top1 in tuned.items())
        said += f" Fine-tuned with {told_of}."
    return f'{table}<p class="vl-quiet" style="margin:0">{said}</p>'


def _folded(run: RunFolder) -> None:
    with st.expander("Log", icon=":material/receipt_long:"):
        wanted = st.text_input("Search the log", key="train-log-search", placeholder="loss, error …").casefold()
        said = run.log_tail(_SEARCHED_LINES if wanted else _LOG_LINES)
        found = "\n".join(line for line in said.splitlines() if wanted in line.casefold())
        st.code(found or ("No line has that." if said else "The log is still empty."), language=None, height=260)
    with st.expander("Spec", icon=":material/description:"):
        text = (run.path / "spec.yaml").read_text(encoding="utf-8")
        st.download_button(
            "Download",
            text.encode(),
            f"{run.id}.yaml",
            "application/yaml",
            icon=":material/download:",
            on_click="ignore",
            key=f"train-spec-{run.id}",
        )
        st.code(text, language="yaml", height=320)


def _buttons(row: RunRow) -> None:
    run_id, state = str(row["id"]), row["state"]
    with st.container(horizontal=True, width="content", vertical_alignment="center", gap="small"):
        if state in frame.ACTIVE:
            stopping = row.get("wanted") == "stop"
            frame.action(
                "Stopping" if stopping else "Stop",
                "stop_circle",
                actions.stop,
                run_id,
                key="train-sheet-stop",
                disabled=stopping,
            )
        elif state in ("stopped", "failed") and not row.get("demo"):
            frame.action("Resume", "resume", actions.resume, run_id, key="train-sheet-resume")
        frame.action(
            "Start from this",
            "content_copy",
            start.begin_from,
            run_id,
            key="train-sheet-copy",
            help="Write a new run that begins with these settings",
        )
        if not row.get("demo"):
            _delete_popover(run_id, state in frame.ACTIVE)


def _delete_popover(run_id: str, active: bool) -> None:
    with st.popover("Delete", icon=":material/delete:", key="train-sheet-delete"):
        st.caption(
            ("It is stopped first. " if active else "")
            + "Its folder is deleted, with its network, embedding and results. "
            "This cannot be undone."
        )
        st.button(
            "Delete this run", type="primary", key="train-sheet-delete-yes", on_click=actions.delete, args=(run_id,)
        )


def _row(run_id: str) -> RunRow | None:
    return next((row for row in frame.known_runs() if row["id"] == run_id), None)


def _clock(moment: Any) -> str | None:
    """`14:05`, or `Nov 21, 14:05` on another day, in local time."""
    from datetime import datetime

    if not moment:
        return None
    local = datetime.fromisoformat(str(moment)).astimezone()
    today = datetime.now().astimezone().date() == local.date()
    return f"{local:%H:%M}" if today else f"{local:%b %d, %H:%M}"


def popover(run: RunFolder) -> None:
    """Everything is made when it is wanted; what a format cannot hold says why instead of a button."""
    menu = st.popover("Download the network", icon=":material/download:", key=f"train-export-{run.id}")
    with menu, st.container(key="train-export-menu"):
        for to in AT_ONCE + IN_BACKGROUND:
            with st.container(gap="xxsmall"):
                _entry(run, to)
        _how_to_load(run)


def _entry(run: RunFolder, to: str) -> None:
    row, refused = exports.EXPORTS[to], exports.refusal(run.id, to)
    if refused is not None:
        st.button(row.title, icon=":material/download:", key=f"train-export-{to}", disabled=True)
        frame.quiet(refused.message)
        return
    if to in AT_ONCE:
        _download(row.title, run.id, to, partial(exports.content, run.id, to))
    else:
        _in_background(run, to, row.title)
    frame.quiet(row.sentence)


def _in_background(run: RunFolder, to: str, title: str) -> None:
    """A job makes the file; once it is there, and as new as the network, it can be downloaded."""
    out = stores.exports_root() / f"{run.id}{exports.EXPORTS[to].suffix}"
    if out.is_file() and out.stat().st_mtime >= encoder_path(run).stat().st_mtime:
        _download(title, run.id, to, partial(Path.read_bytes, out))
        return
    words = ("export", run.id, "--to", to, "--out", str(out))
    jobs.job(f"{to}-{run.id}", words, button=f"Make {title.split(', ')[-1]}", icon="build")


def _download(title: str, run_id: str, to: str, content: Callable[[], bytes]) -> None:
    name = f"{run_id}-card" if to == "card" else run_id
    st.download_button(
        title,
        content,
        f"{name}{exports.EXPORTS[to].suffix}",
        "text/markdown" if to == "card" else _MIME,
        icon=":material/download:",
        on_click="ignore",
        key=f"train-export-{to}",
    )


def _how_to_load(run: RunFolder) -> None:
    """The lines that turn the safetensors file into a network, without Viewloom."""
    with st.expander("How to load it", key="train-export-code", on_change="rerun") as fold:
        if fold.open:
            try:
                metadata, keys = metadata_and_keys(encoder_path(run))
            except SSRLError as error:
                frame.quiet(error.message)
                return
            st.code(loading_code(metadata, keys, f"{run.id}.safetensors"), language="python")


def opened(
    title: str, buttons: Callable[[], None], body: Callable[..., None], *args: Any, every_s: float | None
) -> None:
    """Title and buttons on one line, what an action left to say, and the body.

    Args:
        body: drawn with `args`, as a fragment.
        every_s: seconds between two looks while something is under way, None where nothing changes by itself.
    """
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        frame.section(title)
        buttons()
    DRAFT.show_note("sheet")
    st.fragment(run_every=every_s)(_followed)(body, *args)


def _followed(body: Callable[..., None], *args: Any) -> None:
    actions.redraw_if_moved()
    body(*args)
