"""What sets a cluster apart, as a sentence: "larger, fewer objects; 81 % nocodazole (7 % elsewhere)"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ssrl_core.analysis.apart import Effect
from ssrl_core.analysis.descriptors.table import DESCRIPTORS

SMALL = 0.15  # Cliff's delta below which a difference is not worth a word (Romano 2006: 0.147)
LARGE = 0.47
_LEAST_SHARE = 0.15
_MOST_NUMBERS, _MOST_VALUES = 3, 2


def sentence(effects: Sequence[Effect], *, number_words: Mapping[str, tuple[str, str]] | None = None) -> str:
    """The clearest differences in words; "" where nothing sets the cluster apart.

    Args:
        number_words: {column: (more, less)} for columns that are no descriptors.
    """
    numbers = [e for e in effects if e.value is None and e.clear and abs(e.effect) >= SMALL]
    values = [e for e in effects if e.value is not None and e.clear and e.effect > 0]
    values = [e for e in values if e.here >= _LEAST_SHARE and e.here >= 1.3 * e.rest]
    numbers.sort(key=lambda e: -abs(e.effect))
    values.sort(key=lambda e: -e.effect)
    first = ", ".join(_number(e, number_words or {}) for e in numbers[:_MOST_NUMBERS])
    second = ", ".join(f"{_percent(e.here)} {e.value} ({_percent(e.rest)} elsewhere)" for e in values[:_MOST_VALUES])
    return "; ".join(part for part in (first, second) if part)


def _number(effect: Effect, words: Mapping[str, tuple[str, str]]) -> str:
    row = DESCRIPTORS.get(effect.column)
    more, less = (
        (row.more, row.less) if row else words.get(effect.column, (f"higher {effect.column}", f"lower {effect.column}"))
    )
    word = more if effect.effect > 0 else less
    return f"much {word}" if abs(effect.effect) >= LARGE and word.split()[0] not in ("more", "less") else word


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 or share == 0 else "<1 %"
