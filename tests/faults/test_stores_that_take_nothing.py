"""Stores on a disk that is full, or mounted read-only: what is there can be looked at, the rest is a sentence."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssrl_core import stores
from ssrl_core.cli import main
from ssrl_core.errors import RunError
from ssrl_core.runs.child import train
from ssrl_core.runs.folder import annotations
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.folder.state import StateWriter
from ssrl_core.runs.queue import registry, submitting
from ssrl_core.specs.composition import load, save
from ssrl_core.specs.run import RunSpec
from tests.faults.campaign import digests
from tests.kit import make_imageset, make_run
from tests.paging import opened

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*not kept")]  # what can be made again is said so
SPEC = "dataset: kit\nmethod: {method}\nbackbone: {backbone}\nterms: mnist-first-set\nseed: 9\n"
PAGES = [
    ("app.py", {}),
    ("pages/1_Data.py", {"dataset": "kit"}),
    ("pages/2_Compose.py", {"dataset": "kit", "composition": "mine"}),
    ("pages/3_Train.py", {"run": ""}),
    ("pages/4_Clusters.py", {"run": "", "k": "4"}),
    ("pages/8_Show.py", {"run": ""}),
]
READING = [
    "data list",
    "data check kit",
    "compose list",
    "runs list",
    "runs show RUN",
    "runs check",
    "runs table SWEEP",
    "compare RUN SECOND -k 5 --over-seeds",
    "compare RUN pixels -k 4",
    "export RUN --to csv --out CELLS",
]
IMAGES = [
    "data import PICTURES --name pictures",
    "data describe digits",
    "data channels kit --names light",
    "descriptors kit",
]
RUNS = [
    "compose save COMPOSITION",
    "train SPEC --no-start",
    "train SOLVED --no-start",
    "worker --once",
    "cluster RUN -k 5",
    "layout RUN --method umap",
    "search WISHES",
    "runs resume WAITS --no-start",
    "runs stop WAITS",
    "runs first WAITS",
]
MAKING_ROOM = ["runs delete RUN", "runs delete WAITS", "data delete kit"]
TOO_LONG = ("worker", "layout", "search", "descriptors", "data describe")  # where nothing refuses them


@pytest.fixture
def disks(tmp_path) -> Iterator[list[Path]]:
    """The two stores, each a small file system of its own, with a run, an image set and a run that waits."""
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    places = [stores.models_root(), stores.data_root()]
    for place in places:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", place], check=False).returncode:
            pytest.skip("no file system can be mounted here")
    yield places
    for place in places:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def words(disks, tmp_path) -> dict[str, str]:
    """What stands for the capitals of a command."""
    make_imageset(300, side=16)
    run, second = make_run(n=60).name, make_run(n=60, spec={"seed": 6}).name
    spec = {"dataset": "kit", "method": "simclr", "backbone": "tiny_cnn", "terms": "identity", "batch_size": 8}
    waits = submitting.submit(RunSpec.from_mapping({**spec, "seed": 77}), start=False)["id"]
    save(load("mnist-first-set").renamed("mine"))
    registry.reconcile()
    files = tmp_path / "files"
    for kind in "ab":
        (files / "pictures" / kind).mkdir(parents=True)
        for number in range(6):
            Image.fromarray(np.full((300, 300), number, np.uint8)).save(files / "pictures" / kind / f"{number}.png")
    texts = {
        "SPEC": SPEC.format(method="simclr", backbone="tiny_cnn") + "batch_size: 8\n",
        "SOLVED": SPEC.format(method="{name: spectral}", backbone="random"),
        "COMPOSITION": "name: turned\nsteps: [{transform: rotation, degrees: 20}]\n",
        "WISHES": "version: 1\ndataset: kit\nwishes: {classes: keep}\ncandidates: 4\nseed: 1\n",
    }
    for name, text in texts.items():
        (files / f"{name}.yaml").write_text(text)
    named = {name: str(files / f"{name}.yaml") for name in texts}
    places = {"PICTURES": str(files / "pictures"), "CELLS": str(files / "cells.csv")}
    return named | places | {"RUN": run, "SECOND": second, "WAITS": waits, "SWEEP": "none"}


def said(command: str, words: dict[str, str], capsys) -> tuple[int, str]:
    """Exit code and what was said of it; an exception would be a traceback."""
    code = main([words.get(word, word) for word in command.split()])
    return code, capsys.readouterr().err


def fill(place: Path) -> None:
    with open(place / ".filler", "wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)) == 4096:
            pass


def read_only(place: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)


def refused(commands: list[str], words, capsys) -> None:
    for command in commands:
        code, told = said(command, words, capsys)
        assert code in (1, 2), command
        assert "read-only" in told or "cannot be written" in told, (command, told)


def test_a_store_that_is_read_only(disks, words, capsys):
    for place in disks:
        read_only(place)
    for page, address in PAGES:
        opened(page, {key: value or words["RUN"] for key, value in address.items()})
    for command in READING:
        assert said(command, words, capsys)[0] == (2 if "SWEEP" in command else 0), command
    refused(IMAGES + RUNS + MAKING_ROOM, words, capsys)
    with pytest.raises(RunError, match="read-only"):
        annotations.mark(RunFolder(words["RUN"]), 0, "clusters_kmeans_k3", 0, name="round")


@pytest.mark.parametrize("which", ["models", "data"])
def test_only_one_of_the_stores_is_read_only(disks, words, capsys, which):
    """What the other one takes goes on."""
    here, there = (RUNS, IMAGES) if which == "models" else (IMAGES, RUNS)
    gone, left = (MAKING_ROOM[:2], MAKING_ROOM[2:]) if which == "models" else (MAKING_ROOM[2:], MAKING_ROOM[:2])
    read_only(disks[0] if which == "models" else disks[1])
    for page, address in (PAGES[1], PAGES[3]):
        opened(page, {key: value or words["RUN"] for key, value in address.items()})
    refused(here + gone, words, capsys)
    for command in [one for one in there if not one.startswith(TOO_LONG)] + left:
        code, told = said(command, words, capsys)
        assert code == 0, (command, told)


def test_a_disk_that_is_full(disks, words, capsys):
    for place in disks:
        fill(place)
    for page, address in PAGES:
        opened(page, {key: value or words["RUN"] for key, value in address.items()})
    before = {path: path.read_bytes() for place in disks for path in place.rglob("*.json")}
    for command in READING + IMAGES + RUNS:
        code, told = said(command, words, capsys)
        assert code == 0 or any(word in told for word in ("full", "room", "no run", "SWEEP", "must be")), (
            command,
            told,
        )
    with suppress(RunError, OSError):
        annotations.mark(RunFolder(words["RUN"]), 0, "clusters_kmeans_k3", 0, name="round")
    assert [path for place in disks for path in place.rglob("*.tmp")] == []
    assert {path: path.read_bytes() for path in before if path.exists()}.items() <= before.items()
    for command in MAKING_ROOM:
        assert said(command, words, capsys)[0] == 0, command
    for place in disks:
        (place / ".filler").unlink()
    assert said("compose save COMPOSITION", words, capsys)[0] == 0


@pytest.mark.parametrize("learns", ["simclr", "spectral"])
def test_a_disk_that_fills_in_the_middle_of_a_run(disks, monkeypatch, learns):
    """It ends in words, with nothing half-written; once there is room it goes on to the same bytes."""
    make_imageset(60)
    more = {"backbone": "random"} if learns == "spectral" else {"backbone": "tiny_cnn", "batch_size": 8, "epochs": 1}
    evaluate = {"clusters": [3], "layouts": ["pca"], "linear": None}
    spec = {"dataset": "kit", "method": learns, "terms": "identity", "evaluate": evaluate, **more}
    run = RunFolder(submitting.submit(RunSpec.from_mapping(spec), start=False)["id"])
    text, update, full_at, expected = (run.path / "spec.yaml").read_bytes(), StateWriter.update, [""], {}

    def told(self, **fields) -> None:
        update(self, **fields)
        if fields.get("phase") == full_at[0]:
            full_at[0] = ""
            fill(disks[0])

    monkeypatch.setattr(StateWriter, "update", told)
    for phase in ("", "train", "embed", "evaluate", "layout"):
        for path in run.path.iterdir():
            path.unlink()
        (run.path / "spec.yaml").write_bytes(text)
        full_at[0] = phase
        code = train.attempt(run.path, by_hand=False)
        assert full_at[0] == ""
        if phase:
            assert code == 1, phase
            assert list(run.path.glob("*.tmp")) == []
            (disks[0] / ".filler").unlink()
            assert train.attempt(run.path, by_hand=False) == 0, phase
        found = digests(run)
        expected = expected or found
        assert found == expected, phase
