"""LPIPS beside the editor: one thread works through what the open pages ask, a few images at a time.

The newest question of a session replaces its older ones; between two chunks the thread lets a waiting preview go first.
Answers are kept by what they depend on: composition, images, seed, network, size.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pages.ui.kit import cache
from ssrl_core.errors import SSRLError
from ssrl_core.specs.composition import Composition

_LEAST = 4
_CHUNK_S = 0.1
_PATIENCE_S = 0.5


@dataclass(frozen=True)
class Question:
    """What an answer depends on."""

    composition: Composition
    dataset: str
    fingerprint: str
    image_ids: tuple[int, ...]
    seed: int
    net: str = "alex"
    smallest_px: int = 64

    @property
    def cache_key(self) -> Question:
        """The same for compositions that differ in nothing but their name."""
        return replace(self, composition=self.composition.renamed("any"))


@dataclass
class Answer:
    """LPIPS of the first images, more with time.

    Attributes:
        values: distances so far, in the order of the question's images.
        size_px: side at which the network sees the views.
        error: why it cannot be answered.
    """

    wanted: int
    values: list[float] = field(default_factory=list)
    size_px: int | None = None
    error: str = ""

    @property
    def done(self) -> bool:
        """Nothing more will come."""
        return bool(self.error) or len(self.values) >= self.wanted

    @property
    def mean(self) -> float:
        """Mean so far; NaN before the first image."""
        return float(np.mean(self.values)) if self.values else float("nan")

    @property
    def sd(self) -> float:
        """Standard deviation over images so far (n - 1); NaN for fewer than two."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else float("nan")


class Desk:
    """Takes questions from pages and answers them in one thread."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._asked: OrderedDict[str, tuple[list[Question], Any]] = OrderedDict()
        self._previews = 0
        self._thread: threading.Thread | None = None

    def ask(self, session: str, questions: Sequence[Question], imageset: Any) -> list[Answer]:
        """The answers as far as they are; what is missing is worked on from now, in this order.

        Args:
            session: who asks; their earlier questions are dropped.
            imageset: the image set of the questions.
        """
        with self._lock:
            answers = [self._answer(question) for question in questions]
            self._asked[session] = (list(questions), imageset)
            self._asked.move_to_end(session)
            while len(self._asked) > 32:  # closed pages never say goodbye
                self._asked.popitem(last=False)
            if any(not answer.done for answer in answers):
                self._start()
            self._lock.notify()
            return answers

    @contextmanager
    def preview_first(self) -> Iterator[None]:
        """While a page makes its views, the thread starts no new chunk."""
        with self._lock:
            self._previews += 1
        try:
            yield
        finally:
            with self._lock:
                self._previews -= 1
                self._lock.notify()

    def _answer(self, question: Question) -> Answer:
        return cache.SHARED.get("lpips", question.cache_key, lambda: Answer(len(question.image_ids)), least=256)

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name="lpips", daemon=True)
            self._thread.start()

    def _next(self) -> tuple[Question, Answer, Any] | None:
        for questions, imageset in reversed(self._asked.values()):
            for question in questions:
                answer = self._answer(question)
                if not answer.done:
                    return question, answer, imageset
        return None

    def _work(self) -> None:
        chunk = _LEAST
        while True:
            with self._lock:
                waited = 0.0
                while self._previews and waited < _PATIENCE_S:
                    self._lock.wait(0.05)
                    waited += 0.05
                job = self._next()
                if job is None:
                    self._thread = None  # the next question starts a new one
                    return
            began = time.perf_counter()
            _work_on(*job, chunk)
            took = time.perf_counter() - began
            chunk = max(_LEAST, min(32, round(chunk * _CHUNK_S / max(took, 0.01)), 2 * chunk))


@cache.kept
def desk() -> Desk:
    """The one desk of this process."""
    return Desk()


def _work_on(question: Question, answer: Answer, imageset: Any, chunk: int) -> None:
    """Answer for the next few images; whatever goes wrong becomes the answer, so that the thread lives on."""
    from ssrl_core.compositions import perceptual

    start = len(answer.values)
    ids = np.asarray(question.image_ids[start : start + chunk], dtype=np.int64)
    try:
        part = perceptual.measure(
            imageset,
            question.composition,
            ids,
            seed=question.seed,
            net=question.net,
            smallest_px=question.smallest_px,
        )
    except SSRLError as error:
        answer.error = error.message
    except Exception as error:  # noqa: BLE001 - a bug must show on the page, not die silently in a thread
        answer.error = f"{type(error).__name__}: {error}"
    else:
        answer.size_px = int(part.size_px)
        answer.values.extend(float(value) for value in part.values)
