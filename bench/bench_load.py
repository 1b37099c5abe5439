"""Many people at once: how long until the server has sent a changed view, and what a training beside it loses.

    python -m ssrl_core bench load --rounds 25 --seconds 300      # 25 people for five minutes, beside a training

Each person is one connection as a browser makes it (websocket, Streamlit's messages), on Clusters, Show or Compose, who
changes the view, waits for the answer, looks at it for a moment and changes it again. What a browser draws then is not
in it. There is no peer.
"""

from __future__ import annotations

import asyncio
import math
import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import psutil

from bench.support.browser import served
from bench.support.made_stores import TINY, own_stores, synthetic_run
from bench.support.measuring import Item, Options, item
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import processes, stopping, submitting
from ssrl_core.specs.run import RunSpec

TITLE = "Many people at once: seconds until a changed view is sent (p50, p95), memory, a training beside it."
IMAGES = 3_500
LOOK_S = 2.0
FIRST_S = 90.0
VIEWS: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
    ("Clusters", "k", (2, 3, 4, 5, 6, 8, 10, 12)),
    ("Show", "k", (2, 3, 4, 5, 6, 8)),
    ("Compose", "composition", ("mnist-first-set", "mnist-second-set", "identity")),
)


@dataclass
class Seen:
    """What the people saw.

    Attributes:
        seconds: of each change of a view, with the moment it was asked for.
        errors: what a page said in the place of a view.
        bytes_sent: by the server.
    """

    seconds: list[tuple[float, float]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    bytes_sent: int = 0


class Visitor:
    """One person with one page open.

    Args:
        address: of the app.
        number: which one; pages are dealt out in turn.
        run: what Clusters and Show show.
    """

    def __init__(self, address: str, number: int, run: str) -> None:
        self._socket = f"ws://{urlsplit(address).netloc}/_stcore/stream"
        self._page, self._key, self._values = VIEWS[number % len(VIEWS)]
        self._fixed = {"dataset": "digits"} if self._page == "Compose" else {"run": run}
        self._chance = random.Random(number)

    async def visit(self, seconds: float, everybody: asyncio.Barrier, seen: Seen) -> None:
        """Open the page, wait until all have, then change its view until the end."""
        import websockets

        async with websockets.connect(self._socket, subprotocols=["streamlit"], max_size=None) as wire:  # type: ignore
            await self._change(wire, seen, first=True)
            await everybody.wait()
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                await asyncio.sleep(self._chance.uniform(0.5, 1.5) * LOOK_S)
                await self._change(wire, seen)

    async def _change(self, wire: Any, seen: Seen, *, first: bool = False) -> None:
        from streamlit.proto.BackMsg_pb2 import BackMsg
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        message = BackMsg()
        view = self._fixed | {self._key: str(self._chance.choice(self._values))}
        message.rerun_script.query_string = urlencode(view)
        message.rerun_script.page_name = self._page
        started = time.monotonic()
        await wire.send(message.SerializeToString())
        while True:
            content = await wire.recv()
            seen.bytes_sent += len(content)
            told = ForwardMsg.FromString(content)
            if told.WhichOneof("type") == "delta" and told.delta.new_element.WhichOneof("type") == "exception":
                seen.errors.append(told.delta.new_element.exception.message)
            if told.WhichOneof("type") == "script_finished":
                break
        if not first:
            seen.seconds.append((started, time.monotonic() - started))


def measure(options: Options) -> Iterator[Item]:
    """People by `--rounds`, `--seconds` long; beside a training, whose speed alone is taken first."""
    people, seconds = options.rounds, max(10.0, options.seconds)
    seen, memory = Seen(), list[int]()
    with own_stores():
        run = synthetic_run(IMAGES)
        with _training() as steps:
            alone = _speed(steps, min(30.0, seconds))
            with served() as address:
                began = asyncio.run(_everybody(address, people, seconds, run, seen, memory, steps))
                beside = (steps() - began[0]) / (time.monotonic() - began[1])
    times = sorted(found for _, found in seen.seconds)
    for name, value, unit in (
        ("changes", float(len(times)), "1"),
        ("p50_s", statistics.median(times) if times else math.nan, "s"),
        ("p95_s", times[int(0.95 * (len(times) - 1))] if times else math.nan, "s"),
        ("errors", float(len(seen.errors)), "1"),
        ("memory_growth_2nd_half", _growth(memory), "1"),
        ("training_slower", 1 - beside / alone, "1"),
    ):
        yield item("load", f"{people} people, {seconds:g} s", name, unit, round(value, 3))


@contextmanager
def _training() -> Iterator[Callable[[], int]]:
    """A training that goes on for long, as the worker starts it; how many steps it has done."""
    spec = RunSpec.from_mapping({**TINY, "epochs": 10_000, "keep": {"checkpoint": "until_done", "embedding": "none"}})
    folder = RunFolder(submitting.submit(spec)["id"])

    def steps() -> int:
        return int(folder.state()["step"] or 0)

    try:
        deadline = time.monotonic() + FIRST_S
        while not steps() and time.monotonic() < deadline:
            time.sleep(0.2)
        yield steps
    finally:
        stopping.stop(folder.id)
        processes.ask_to_end()


def _speed(steps: Callable[[], int], seconds: float) -> float:
    """Steps a second, over some time."""
    began, first = time.monotonic(), steps()
    time.sleep(seconds)
    return (steps() - first) / (time.monotonic() - began)


async def _everybody(
    address: str, people: int, seconds: float, run: str, seen: Seen, memory: list[int], steps: Callable[[], int]
) -> tuple[int, float]:
    """Let all come and go; the training's steps and the moment when the last had opened their page."""
    opened = asyncio.Barrier(people + 1)
    visits = [Visitor(address, number, run).visit(seconds, opened, seen) for number in range(people)]
    visiting = asyncio.gather(*visits)
    await asyncio.wait_for(opened.wait(), FIRST_S + 10 * people)
    began = steps(), time.monotonic()
    watching = asyncio.create_task(_watch(_server_of(address), memory))
    await asyncio.wait_for(visiting, seconds + FIRST_S)
    watching.cancel()
    return began


async def _watch(server: psutil.Process, memory: list[int]) -> None:
    while True:
        memory.append(server.memory_info().rss)
        await asyncio.sleep(1.0)


def _growth(memory: list[int]) -> float:
    """By which share memory grows in the second half: its last tenth beside the first tenth of that half."""
    half = memory[len(memory) // 2 :]
    tenth = max(1, len(half) // 10)
    return statistics.mean(half[-tenth:]) / statistics.mean(half[:tenth]) - 1 if half else float("nan")


def _server_of(address: str) -> psutil.Process:
    port = urlsplit(address).port
    return next(
        one
        for one in psutil.Process().children(recursive=True)
        if any(str(port) == word for word in one.cmdline()) and "streamlit" in one.cmdline()
    )
