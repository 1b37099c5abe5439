"""What sets a cluster apart, as a sentence: "larger, fewer objects; 81 % nocodazole ≥ 1 µM (7 % elsewhere)"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ssrl_core.analysis.descriptors import DESCRIPTORS
from ssrl_core.analysis.effects import Effect

SMALL = 0.15  # Cliff's delta below which a difference is not worth a word (Romano 2006: 0.147)
LARGE = 0.47
_LEAST_SHARE = 0.15
_LARGE_SHARE = 0.33  # a difference of shares that is told even where it was seen in too few wells
_MOST_NUMBERS, _MOST_VALUES = 3, 2


def sentence(
    effects: Sequence[Effect],
    *,
    units: str = "images",
    number_words: Mapping[str, tuple[str, str]] | None = None,
) -> str:
    """The clearest differences in words; "" where nothing sets the cluster apart.

    A value is said with its share here and elsewhere, and the interval of their difference in points. One that is much
    more frequent here, but was seen in too few wells to be sure of, is said with that doubt.

    Args:
        units: what intervals take as varying, in words ("wells").
        number_words: {column: (more, less)} for columns that are no descriptors.
    """
    numbers = [e for e in effects if e.value is None and e.clear and abs(e.effect) >= SMALL]
    values = [e for e in effects if e.value is not None and e.effect > 0 and (e.clear or _doubtful(e, units))]
    values = [e for e in values if e.here >= _LEAST_SHARE and e.here >= 1.3 * e.rest]
    numbers.sort(key=lambda e: -abs(e.effect))
    values.sort(key=lambda e: -e.effect)
    first = ", ".join(_number(e, number_words or {}) for e in numbers[:_MOST_NUMBERS])
    second = ", ".join(_value(e, units) for e in values[:_MOST_VALUES])
    return "; ".join(part for part in (first, second) if part)


def evidence(effects: Sequence[Effect], *, units: str = "images", most: int = 6) -> list[str]:
    """The largest differences with their sizes and intervals, a line each, for who wants to know how sure they are."""
    told = [e for e in effects if e.n and (e.value is None or e.effect > 0) and abs(e.effect) >= SMALL]
    return [_evidence(e, units) for e in sorted(told, key=lambda e: -abs(e.effect))[:most]]


def _doubtful(effect: Effect, units: str) -> bool:
    told = effect.low is not None or effect.seen_in == 1
    return units != "images" and told and not effect.clear and effect.effect >= _LARGE_SHARE


def _value(effect: Effect, units: str) -> str:
    beside = f"{_percent(effect.rest)} elsewhere"
    if effect.low is not None and effect.high is not None:
        beside += f"; {_points(effect.low)} to {_points(effect.high)}"
    if not effect.clear:
        beside = f"{_percent(effect.rest)} elsewhere; seen in {_count(effect.seen_in, units)} only"
    return f"{_percent(effect.here)} {effect.value} ({beside})"


def _evidence(effect: Effect, units: str) -> str:
    where = f", {_count(effect.seen_in, units)}" if units != "images" else ""
    sure = effect.low is not None and effect.high is not None
    if effect.value is None:
        interval = f" ({effect.low:.2f} to {effect.high:.2f}{where})" if sure else where
        level = f"median {effect.here:.3g} here, {effect.rest:.3g} elsewhere"
        return f"{effect.column}: {level}; Cliff's delta {effect.effect:.2f}{interval}".replace("-", "−")
    interval = f" (95 % {_points(effect.low or 0)} to {_points(effect.high or 0)}{where})" if sure else where
    level = f"{_percent(effect.here)} here, {_percent(effect.rest)} elsewhere"
    return f"{effect.value}: {level}; {_points(effect.effect)} points{interval}"


def _points(difference: float) -> str:
    return f"{100 * difference:+.0f}".replace("-", "−")


def _count(count: int, units: str) -> str:
    return f"{count} {units}" if count != 1 else f"1 {units.removesuffix('s')}"


def _number(effect: Effect, words: Mapping[str, tuple[str, str]]) -> str:
    row = DESCRIPTORS.get(effect.column)
    more, less = (
        (row.more, row.less) if row else words.get(effect.column, (f"higher {effect.column}", f"lower {effect.column}"))
    )
    word = more if effect.effect > 0 else less
    return f"much {word}" if abs(effect.effect) >= LARGE and word.split()[0] not in ("more", "less") else word


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 or share == 0 else "<1 %"
