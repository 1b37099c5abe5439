"""Training children as processes of this one, that end when it does, and the engine of one machine made of them.

A child is cold (one process a run) or warm (one process takes several runs, one at a time).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ssrl_core.runs.folder.state import BAD_SPEC, DONE, LOCKED
from ssrl_core.runs.queue.processes import child_environment, chosen_cards, source_folder

IDLE_S = 20.0  # a warm child holds a gigabyte
_MOST_RUNS = 500
_DEVICES = re.compile(r"^devices: (auto|\d+)\s*$", re.MULTILINE)
_KEEPS_ON = (DONE, BAD_SPEC, LOCKED)

Command = Callable[[Path], list[str]]


def train_command(folder: Path) -> list[str]:
    """The engine-free training command; told to end with its parent, as a coordinator holds its standard input."""
    return [sys.executable, "-m", "ssrl_core.runs.child.train", str(folder), "--end-with-parent"]


def warm_command() -> list[str]:
    """The command of a child that takes several runs."""
    return [sys.executable, "-m", "ssrl_core.runs.child.warm"]


class Process:
    """A child process that ends when its standard input closes, and whose standard output carries lines of JSON."""

    def __init__(self, command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
        with _log_of(folder) as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=dict(environment),
                cwd=source_folder(),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        self.pid = self._process.pid
        self._read = b""
        if os.name != "nt" and self._process.stdout is not None:
            os.set_blocking(self._process.stdout.fileno(), False)

    def exit_code(self) -> int | None:
        """Exit code, None while it lives."""
        return self._process.poll()

    def send(self, message: dict[str, Any]) -> None:
        """A line for the child.

        Raises:
            OSError: it is gone.
        """
        stream = self._process.stdin
        if stream is None or stream.closed:
            raise BrokenPipeError("the child's standard input is closed")
        stream.write((json.dumps(message) + "\n").encode())
        stream.flush()

    def received(self) -> list[dict[str, Any]]:
        """Whole lines that came since the last call. On Windows only after the end, because reading waits there."""
        stream = self._process.stdout
        if stream is None or stream.closed or (os.name == "nt" and self.exit_code() is None):
            return []
        with contextlib.suppress(OSError, ValueError):
            self._read += stream.read() or b""
        *lines, self._read = self._read.split(b"\n")
        return [line for line in map(_parsed, lines) if line]

    def ask_to_end(self) -> None:
        """SIGTERM; where there are no signals, its standard input is closed."""
        if os.name == "nt":
            self.close()
        elif self.exit_code() is None:
            self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        if self.exit_code() is None:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):  # a starved machine; the next look sees its end
                self._process.wait(timeout=30)

    def close(self) -> None:
        """Close its standard input: it ends."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # the child is gone; there is nothing left to flush
                    stream.close()


class ChildJob:
    """One run in a child. See `Job` for the methods."""

    def __init__(self, process: Process, where: str, *, warm: bool, on_end: Callable[[ChildJob], None]) -> None:
        self.process, self.warm = process, warm
        self.worker = f"{where}, process {process.pid}"
        self.grown = False
        self._code: int | None = None
        self._words: dict[str, Any] | None = None
        self._on_end = on_end

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self.process.pid

    def poll(self) -> int | None:
        """See `Job.poll`."""
        if self._code is not None:
            return self._code
        gone = self.process.exit_code()
        for message in self.process.received():
            self._words = message.get("error") or self._words
            if self.warm and "code" in message:
                self._code, self.grown = int(message["code"]), bool(message.get("grown"))
        if self._code is None:
            self._code = gone
        if self._code is not None:
            self._on_end(self)
        return self._code

    def last_words(self) -> dict[str, Any] | None:
        """See `Job.last_words`."""
        return self._words if self.poll() is not None and isinstance(self._words, dict) else None

    def ask_to_end(self) -> None:
        """See `Job.ask_to_end`."""
        if self.poll() is None:
            self.process.ask_to_end()

    def kill(self) -> None:
        """See `Job.kill`."""
        if self.poll() is None:
            self.process.kill()
            self.poll()


class Children:
    """Children of this process; warm ones that are free are used again.

    Args:
        where: for people, e.g. `local`.
        warm: whether a child takes several runs; else every run has a process of its own.
        command: what to start for a run (tests start something smaller); warm children are then out of the question.
    """

    def __init__(self, where: str, *, warm: bool = True, command: Command | None = None) -> None:
        self._where = where
        self._warm = warm and command is None and os.name != "nt"
        self._command = command or train_command
        self._free: dict[tuple[tuple[str, str], ...], list[tuple[Process, float]]] = {}
        self._taken: dict[int, int] = {}

    def start(self, folder: Path, environment: Mapping[str, str]) -> ChildJob:
        """Start a run in a child with this environment.

        Raises:
            OSError: no process can be started now.
        """
        if not self._warm:
            process = Process(self._command(folder), folder, environment)
            return ChildJob(process, self._where, warm=False, on_end=lambda job: job.process.close())
        kind = tuple(sorted(environment.items()))
        process = self._free_one(kind) or Process(warm_command(), folder, environment)
        self._taken[process.pid] = self._taken.get(process.pid, 0) + 1
        process.send({"run": str(folder)})
        return ChildJob(process, self._where, warm=True, on_end=lambda job: self._ended(job, kind))

    def tend(self, *, idle_s: float = IDLE_S) -> None:
        """Let go of warm children that have been free for long."""
        for kind, waiting in self._free.items():
            old = [process for process, since in waiting if time.monotonic() - since > idle_s]
            self._free[kind] = [item for item in waiting if item[0] not in old]
            for process in old:
                self._let_go(process)

    def close(self) -> None:
        """Let go of all that are free."""
        self.tend(idle_s=-1.0)

    def _free_one(self, kind: tuple[tuple[str, str], ...]) -> Process | None:
        waiting = self._free.get(kind, [])
        while waiting:
            process, _ = waiting.pop()
            if process.exit_code() is None:
                return process
            self._let_go(process)
        return None

    def _ended(self, job: ChildJob, kind: tuple[tuple[str, str], ...]) -> None:
        """Keep the child for the next run, unless it was stopped, crashed, grew or is worn out."""
        process = job.process
        fit = job.poll() in _KEEPS_ON and not job.grown and self._taken[process.pid] < _MOST_RUNS
        if fit and process.exit_code() is None:
            self._free.setdefault(kind, []).append((process, time.monotonic()))
        else:
            self._let_go(process)

    def _let_go(self, process: Process) -> None:
        self._taken.pop(process.pid, None)
        process.close()
        if process.exit_code() is None:
            process.kill()  # its standard input is closed: it would end by itself, but leaves no zombie this way


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _log_of(folder: Path) -> Any:
    """The run's log for what a crash prints; a full disk or a folder without rights must not stop the start."""
    try:
        return open(folder / "log.txt", "ab")
    except OSError:
        return open(os.devnull, "ab")


class LocalEngine:
    """Children of this process.

    Args:
        slots: runs at the same time; the machine's cores are shared out among them, and its GPUs dealt out in turn
            (a run that asks for several devices takes as many slots, and gets those from its turn on).
        command: what to start for a run folder (tests start something smaller).
        warm: whether a child takes several runs, one at a time.
        gpus: their names for CUDA_VISIBLE_DEVICES; empty leaves the children's environment alone.
    """

    name = "local"
    trouble = ""
    outlives = False

    def __init__(
        self, slots: int = 1, command: Command | None = None, *, warm: bool = True, gpus: tuple[str, ...] = ()
    ) -> None:
        self.slots = slots
        self._gpus = gpus
        self._children = Children("local", warm=warm, command=command)
        self._jobs: dict[range, ChildJob] = {}

    @property
    def cards(self) -> int:
        """See `Engine.cards`."""
        return len(self._gpus)

    def start(self, folder: Path) -> ChildJob:
        """See `Engine.start`."""
        self._jobs = {turn: job for turn, job in self._jobs.items() if job.poll() is None}
        turn = turn_of(folder, self.cards, self._jobs)
        self._jobs[turn] = self._children.start(folder, self._environment(turn.start, folder))
        return self._jobs[turn]

    def tend(self, waiting: int) -> None:
        """See `Engine.tend`."""
        if not waiting:
            self._children.tend()

    def close(self) -> None:
        """Let go of the warm children that are free; those at work end as their standard input closes."""
        self._children.close()

    def _environment(self, place: int, folder: Path) -> dict[str, str]:
        environment = child_environment(self.slots)
        if self._gpus:
            environment["CUDA_VISIBLE_DEVICES"] = cards_from(place, folder, self._gpus)
        return environment


def cards_from(place: int, folder: Path, gpus: Sequence[str]) -> str:
    """CUDA_VISIBLE_DEVICES of a run: as many cards as it asks for, from its place on."""
    count = slots_of(folder, len(gpus))
    return ",".join(gpus[(place + number) % len(gpus)] for number in range(count))


def turn_of(folder: Path, cards: int, taken: Iterable[range]) -> range:
    """The places that a run takes: the first ones that lie free beside each other."""
    used = {place for turn in taken for place in turn}
    count = slots_of(folder, cards)
    first = next(n for n in range(len(used) * count + 1) if not used.intersection(range(n, n + count)))
    return range(first, first + count)


def slots_of(folder: Path, cards: int) -> int:
    """Slots that a run takes on an engine with so many cards in one place."""
    try:
        text = (folder / "spec.yaml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return 1  # the child will say what is wrong with it
    return slots_asked(text, cards)


def slots_asked(spec: str, cards: int) -> int:
    """The same, of a spec's text: a slot a device, where cards are dealt out."""
    found = _DEVICES.search(spec) if cards > 1 else None
    if found is None:
        return 1
    return cards if found[1] == "auto" else max(1, min(cards, int(found[1])))


def gpus_here() -> tuple[str, ...]:
    """The NVIDIA cards of this machine for CUDA_VISIBLE_DEVICES, asked without importing torch; the user's own choice
    counts."""
    chosen = chosen_cards()
    if chosen is not None:
        return chosen
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        said = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(str(number) for number, line in enumerate(said.splitlines()) if line.startswith("GPU "))
