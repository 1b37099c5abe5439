"""Forecasts for the Compose page, made beside it: first bars from few images, then all, then one step after another.

Two threads, so that first bars wait for nothing: one for first looks, one for all that follows. The newest question of
a session replaces its older ones; work that nobody asks for any more ends at its next mark of progress. Answers are
kept by what they depend on.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pages.ui.kit import cache
from pages.ui.kit.jobs import FIRST_BARS, REST, turns
from ssrl_core.errors import SSRLError
from ssrl_core.specs.composition import Composition
from ssrl_core.specs.run import Term

if TYPE_CHECKING:
    from ssrl_core.forecast import Forecast
    from ssrl_core.forecast.result import StepCost
    from ssrl_core.forecast.setting import Setting

FEW, ALL, VIEWS = 256, 1000, 8
BANK = "live"
_GONE_S = 20.0  # a page that did not ask for so long is closed
WHOLE, FIXED = "whole", "fixed_steps"
_NAME = "any"


@dataclass(frozen=True)
class Question:
    """What a forecast depends on."""

    composition: Composition
    against: Composition | None
    dataset: str
    fingerprint: str
    input: str = WHOLE

    @property
    def cache_key(self) -> Question:
        """The same for compositions that differ in nothing but their names."""
        against = self.against and self.against.renamed(_NAME)
        return replace(self, composition=self.composition.renamed(_NAME), against=against)


@dataclass
class Answer:
    """What is known so far.

    Attributes:
        found: from few images at first, then from all.
        refined: `found` is from all images.
        share: done of the work under way, 0..1.
        steps: what is kept without each step, as far as it was asked for.
        error: why there is no answer, or no more of it.
    """

    found: Forecast | None = None
    refined: bool = False
    share: float = 0.0
    steps: list[StepCost] = field(default_factory=list)
    stepped: bool = False
    error: str = ""

    def done(self, *, by_step: bool = False) -> bool:
        """Nothing more will come."""
        return bool(self.error) or (self.refined and (self.stepped or not by_step))


class _Overtaken(Exception):
    """Nobody waits for this any more, or first bars are more urgent."""


@dataclass(frozen=True)
class _Asked:
    question: Question
    imageset: Any
    by_step: bool
    at: float


class ForecastWorker:
    """Takes questions from pages and answers them in two threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: OrderedDict[str, _Asked] = OrderedDict()
        self._threads: dict[int, threading.Thread] = {}

    def ask(self, session: str, question: Question, imageset: Any, *, by_step: bool = False) -> Answer:
        """The answer as far as it is; what is missing is worked on from now.

        Args:
            session: who asks; their earlier question is dropped.
            by_step: also leave out one step after another.
        """
        with self._lock:
            self._asked[session] = _Asked(question, imageset, by_step, time.monotonic())
            self._asked.move_to_end(session)
            while len(self._asked) > 32:  # closed pages never say goodbye
                self._asked.popitem(last=False)
            self._start()
            return answer_to(question)

    @property
    def busy(self) -> bool:
        """Whether something is worked on."""
        return bool(self._threads)

    def _start(self) -> None:
        for level in (FIRST_BARS, REST):
            if level not in self._threads and self._next(level) is not None:
                work = threading.Thread(target=self._work, args=(level,), name=f"forecast-{level}", daemon=True)
                self._threads[level] = work
                work.start()

    def _next(self, level: int) -> _Asked | None:
        """The newest question that lacks this: first bars, or what comes after them."""
        fresh = time.monotonic() - _GONE_S
        for asked in reversed(self._asked.values()):
            answer = answer_to(asked.question)
            if asked.at < fresh or answer.done(by_step=asked.by_step):
                continue
            if (answer.found is None) == (level == FIRST_BARS):
                return asked
        return None

    def _work(self, level: int) -> None:
        while True:
            turns().wait(level)
            with self._lock:
                asked = self._next(level)
                if asked is None:
                    del self._threads[level]  # the next question starts a new one
                    self._start()
                    return
            with turns().first(level) if level == FIRST_BARS else nullcontext():
                self._answer(asked, level)

    def _answer(self, asked: _Asked, level: int) -> None:
        """One piece of work; whatever goes wrong becomes the answer, so that the thread lives on."""
        answer, key = answer_to(asked.question), asked.question.cache_key

        def told(share: float) -> None:
            turns().wait(level)
            with self._lock:
                wanted = any(other.question.cache_key == key for other in self._asked.values())
                urgent = level == REST and self._next(FIRST_BARS) is not None
            if urgent or not wanted:
                raise _Overtaken
            answer.share = share

        answer.share = 0.0
        try:
            if level == FIRST_BARS:
                answer.found = _forecast(asked, FEW, told)
            elif not answer.refined:
                answer.found, answer.refined = _forecast(asked, ALL, told), True
            else:
                _leave_out(asked, answer, told)
        except _Overtaken:
            return
        except SSRLError as error:
            answer.error = error.message
        except Exception as error:  # noqa: BLE001 - a bug must show on the page, not die silently in a thread
            answer.error = f"{type(error).__name__}: {error}"


@cache.kept
def forecast_worker() -> ForecastWorker:
    """The one of this process."""
    return ForecastWorker()


def warnings(found: Forecast) -> list[str]:
    """Its warnings, without the composition's name, which the page says already."""
    return [text.removeprefix(f"{_NAME}: ") for text in found.guards]


def answer_to(question: Question) -> Answer:
    """The answer to a question, empty at first."""
    return cache.SHARED.get("forecast", question.cache_key, Answer, least=64)


def measured(question: Question, imageset: Any) -> tuple[Any, dict[str, Any]]:
    """The images of a forecast (n,), and what was measured of them: name of a descriptor or column -> (n,) values."""
    import numpy as np

    setting = _setting(_Asked(question, imageset, False, 0.0), FEW)
    values = {n: np.concatenate(of[1:]) for n, of in setting.targets.items() if of[0] != "classes"}
    return np.concatenate([setting.solve_ids, setting.ask_ids]), values


def _forecast(asked: _Asked, images: int, told: Any) -> Forecast:
    """From so many images; a first look has no ICC and no warnings, which take views of further images."""
    question, setting = asked.question.cache_key, _setting(asked, images)
    return setting.forecast(question.composition, against=question.against, quick=images == FEW, progress=told)


def _leave_out(asked: _Asked, answer: Answer, told: Any) -> None:
    answer.steps = []
    for cost in _setting(asked, ALL).step_costs([Term(asked.question.composition)], told):
        answer.steps = [*answer.steps, cost]
    answer.stepped = True


def _setting(asked: _Asked, images: int) -> Setting:
    """Images, targets and bank, which all compositions share."""
    from ssrl_core.forecast import prepare

    question = asked.question
    key = (question.dataset, question.fingerprint, question.input, images)

    def make() -> Setting:
        return prepare(asked.imageset, images=images, views=VIEWS, bank=BANK, input=question.input)

    return cache.SHARED.get("forecast-setting", key, make, least=4)
