"""Runs without training: a spec on the kit's images, queued in a store of its own."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import submitting
from ssrl_core.runs.worker.coordinator import Coordinator
from ssrl_core.runs.worker.engines.local import LocalEngine
from ssrl_core.specs.run import RunSpec
from tests.kit import make_imageset

FAKE_CHILD = Path(__file__).with_name("fake_child.py")


def fake_command(folder: Path) -> list[str]:
    return [sys.executable, str(FAKE_CHILD), str(folder), "--end-with-parent"]


def spec(**changes) -> RunSpec:
    plain = {
        "dataset": "kit",
        "backbone": "tiny_cnn",
        "method": "simclr",
        "terms": "identity",
        "batch_size": 8,
        "epochs": 2,
    }
    return RunSpec.from_mapping({**plain, **changes})


@pytest.fixture
def kit_images():
    return make_imageset()


@pytest.fixture
def queued(kit_images):
    """Queue a run; keyword arguments change the spec, `behave` the fake child."""

    def make(behave=None, **changes) -> RunFolder:
        run = RunFolder(submitting.submit(spec(**changes), start=False)["id"])
        if behave:
            (run.path / "behave.json").write_text(json.dumps(behave))
        return run

    return make


def settled(path: Path) -> None:
    """Let a file look as if it had been there for long."""
    os.utime(path, (0, 0))


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class FakeJob:
    """A child that ends when the test says so."""

    worker = "fake"

    def __init__(self, folder: Path) -> None:
        self.folder, self.code, self.words, self.asked = folder, None, None, False

    def poll(self):
        return self.code

    def last_words(self):
        return self.words

    def ask_to_end(self):
        self.asked, self.code = True, 5

    def kill(self):
        self.code = -9 if self.code is None else self.code


class FakeEngine:
    name = "fake"
    trouble = ""
    outlives = False
    cards = 0

    def __init__(self, slots: int = 1) -> None:
        self.slots, self.jobs = slots, []

    def start(self, folder: Path) -> FakeJob:
        self.jobs.append(FakeJob(folder))
        return self.jobs[-1]

    def tend(self, waiting: int) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def engine():
    return FakeEngine()


@pytest.fixture
def coordinator(engine, clock):
    return Coordinator(engine, clock=clock)


@pytest.fixture
def local():
    """A coordinator in this process whose children are real processes of the fake child."""
    made = Coordinator(LocalEngine(command=fake_command))
    yield made
    for active in made.watch.active_runs.values():
        active.job.kill()
        active.job.last_words()
