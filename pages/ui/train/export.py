"""The network of a finished run to take home: as safetensors, for torchvision, as ONNX, and its model card."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import streamlit as st

from pages.ui.kit import frame, jobs
from ssrl_core import exports, stores
from ssrl_core.errors import SSRLError
from ssrl_core.exports.encoder_file import encoder_path, metadata_and_keys
from ssrl_core.exports.loading import loading_code
from ssrl_core.runs.folder.run_folder import RunFolder

AT_ONCE = ("safetensors", "torchvision", "card")
IN_BACKGROUND = ("onnx",)
_MIME = "application/octet-stream"


def popover(run: RunFolder) -> None:
    """Everything is made when it is wanted; what a format cannot hold says why instead of a button."""
    menu = st.popover("Take the network home", icon=":material/download:", key=f"train-export-{run.id}")
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


def _download(title: str, run_id: str, to: str, content: object) -> None:
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
