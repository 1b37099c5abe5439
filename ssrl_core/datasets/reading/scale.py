"""Which pixel value stands for 1: decided for all files of a set together, never file by file.

Bytes and truths go to 255. Other numbers are looked through once: whole ones stand as they are, and the fewest bits of
a camera that hold them all are full; fractions in 0..1 are full at 1; other fractions at the highest of the set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ssrl_core.errors import DataError, SpecError, some_of

Array = np.ndarray[Any, Any]
CAMERAS = (255, 1023, 4095, 16383, 65535)  # 8, 10, 12, 14 and 16 bits
_KINDS = {"u": "whole numbers", "i": "whole numbers", "f": "fractions"}


def camera_top(highest: float) -> int:
    """The largest value of the fewest bits of a camera that hold `highest`."""
    return next(top for top in CAMERAS if highest <= top)


def as_numbers(values: Array, *, any_range: bool = False) -> Array:
    """Truths as bytes, numbers in this machine's order of bytes.

    Args:
        any_range: negative numbers, and ones that 16 bits do not hold, are taken: it was said what stands for 0 and 1.

    Raises:
        DataError: text, complex numbers, NaN, negative numbers, or ones that 16 bits do not hold.
    """
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind not in _KINDS:
        raise DataError(f"{values.dtype} values; save it as 8 or 16 bit")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DataError("it holds NaN or infinite values")
    if values.dtype not in (np.uint8, np.uint16):
        low, high = float(values.min(initial=0)), float(values.max(initial=0))
        if not any_range and (low < 0 or high > 65535.49):
            raise DataError(
                f"{values.dtype} values from {low:g} to {high:g}; say what stands for black and white "
                f"(--min-value {low:g} --max-value {high:g}), or save it as 8 or 16 bit"
            )
    return values.astype(values.dtype.newbyteorder("="), copy=False)


OTHER_SCALE = "its values are fractions up to 1 where the other floats are whole numbers above; save all on one scale"


@dataclass
class Spread:
    """What the numbers of some files come to.

    Attributes:
        low, high: of all of them.
        whole: whether all of the files that go above 1 hold whole numbers; `bytewise`: whether all are 255ths.
        faint: files of fractions whose highest value is at most 1.
    """

    low: float = np.inf
    high: float = -np.inf
    whole: bool = True
    bytewise: bool = True
    faint: list[str] = field(default_factory=list)

    def take(self, values: Array, name: str) -> None:
        """Add the numbers of a file."""
        if values.size == 0:
            return
        low, high = float(values.min()), float(values.max())
        self.low, self.high = min(self.low, low), max(self.high, high)
        if values.dtype.kind == "f" and not np.all(values == np.rint(values)):
            self.bytewise = self.bytewise and bool(np.all(np.abs(values * 255 - np.rint(values * 255)) < 1e-3))
            self.whole = self.whole and high <= 1
            self.faint += [name] if high <= 1 else []

    def join(self, other: Spread, name: str) -> None:
        """Add what the numbers of another file come to."""
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.whole, self.bytewise = self.whole and other.whole, self.bytewise and other.bytewise
        self.faint += [name] if other.faint else []

    @property
    def lost(self) -> list[str]:
        """Files whose fractions would vanish among whole numbers."""
        return self.faint if self.high > 1 and self.whole else []

    @property
    def fractions(self) -> bool:
        """Whether all files hold numbers in 0..1, some of them between."""
        return self.high <= 1 and bool(self.faint)

    def full(self, *, beside_bytes: bool) -> float:
        """The value that stands for 1.

        Args:
            beside_bytes: files of 8 bit are in the set: fractions up to 255 are on their scale.
        """
        if self.fractions:
            return 1.0
        if not self.whole and self.high <= CAMERAS[0] and not beside_bytes:
            return self.high  # rounding would leave little of them
        return float(camera_top(self.high))


@dataclass(frozen=True)
class Scale:
    """How numbers become pixel values.

    Attributes:
        dtype: uint8 or uint16, of the result.
        factors: by the kind of the file's numbers (see `kind_of`); one that is not there stays as it is.
        max_value: the value that stands for 1 in the result.
        notes: what was decided, in sentences.
        zero: the number that becomes 0, for kinds that have a factor.
    """

    dtype: str
    factors: Mapping[str, float]
    max_value: int
    notes: tuple[str, ...] = ()
    zero: float = 0.0

    def apply(self, values: Array) -> Array:
        """Pixel values of the same shape."""
        factor = self.factors.get(kind_of(values.dtype), 1.0)
        if factor == 1 and values.dtype.name == self.dtype:
            return values
        top = np.iinfo(self.dtype).max
        scaled = values if factor == 1 else (values.astype(np.float64) - self._zero_of(values.dtype)) * factor
        whole = np.rint(scaled) if scaled.dtype.kind == "f" else scaled
        result: Array = np.clip(whole, 0, top).astype(self.dtype)
        return result

    def _zero_of(self, dtype: np.dtype[Any]) -> float:
        return 0.0 if kind_of(dtype) == "bytes" else self.zero


def kind_of(dtype: np.dtype[Any]) -> str:
    """`bytes`, `deep` (16 bit), `whole` or `fractions`: numbers of one kind are scaled alike."""
    if dtype in (np.bool_, np.uint8):
        return "bytes"
    return "deep" if dtype == np.uint16 else "whole" if dtype.kind in "ui" else "fractions"


def scale_for(found: Mapping[str, Spread], zero: float | None = None, one: float | None = None) -> Scale:
    """One scale for all files: where all kinds are full at the same value, values stay; else each is brought to 16 bit.

    Args:
        found: kind -> its numbers; those of bytes are not looked at.
        zero, one: the numbers that stand for 0 and 1, where somebody says so (bytes keep 0..255 beside others).
    """
    if zero is not None or one is not None:
        return _told(found, zero or 0.0, one)
    full = {
        kind: 255.0 if kind == "bytes" else spread.full(beside_bytes="bytes" in found) for kind, spread in found.items()
    }
    notes = [_range(kind, spread, full[kind]) for kind, spread in found.items() if kind in ("whole", "fractions")]
    notes += [_faint(spread) for spread in found.values() if spread.faint and spread.high > 1 and not spread.lost]
    eighths = {kind for kind, spread in found.items() if full[kind] == 1 and spread.bytewise}
    small = {kind: 255.0 if kind in eighths else value for kind, value in full.items()}
    if set(small.values()) == {255.0}:
        dtype = "uint16" if set(found) == {"deep"} else "uint8"
        return Scale(dtype, dict.fromkeys(eighths, 255.0), 255, tuple(notes))
    values = set(full.values())
    if len(values) == 1 and (only := values.pop()) in CAMERAS:
        bits = (
            f"all fit in {int(only).bit_length()} bits, so {only:.0f} stands for 1"
            if only < 65535 and "deep" in found
            else ""
        )
        return Scale("uint16", {}, int(only), (*notes, *([bits] if bits else [])))
    factors = {kind: 65535 / value for kind, value in full.items()}
    if len(found) > 1:
        told = [f"{_words(kind)} × {factor:.4g}" for kind, factor in sorted(factors.items()) if factor != 1]
        notes.append("files of several depths were raised to 16 bit: " + ", ".join(told))
    return Scale("uint16", factors, 65535, tuple(notes))


def _told(found: Mapping[str, Spread], zero: float, one: float | None) -> Scale:
    """The scale that somebody asked for: whole numbers stay where 0 is 0, all else fills 16 bit.

    Raises:
        SpecError: 1 that is not above 0.
    """
    deep = [spread for kind, spread in found.items() if kind != "bytes"]
    top = one if one is not None else max((spread.high for spread in deep), default=255.0)
    if not zero < top < np.inf:
        raise SpecError.at("data import", "--max-value", f"above {zero:g}, what stands for 0", one)
    whole = zero == 0 and float(top).is_integer() and not any(spread.faint for spread in deep)
    if whole and len({"bytes"} & set(found)) + bool(deep) == 1 and 1 <= top <= CAMERAS[-1]:
        plain = not deep or (max(spread.high for spread in deep) <= CAMERAS[0] and "deep" not in found)
        if plain and top > CAMERAS[0]:
            raise SpecError.at("data import", "--max-value", "at most 255 for 8 bit", one)
        return Scale("uint8" if plain else "uint16", {}, int(top))
    said = " and ".join(
        f"{_words(kind)} go from {s.low:g} to {s.high:g}" for kind, s in found.items() if kind != "bytes"
    )
    note = f"{said}; {zero:g} stands for 0 and {top:g} for 1"
    factors = {kind: 257.0 if kind == "bytes" else CAMERAS[-1] / (top - zero) for kind in found}
    return Scale("uint16", factors, CAMERAS[-1], (note,), zero)


def _words(kind: str) -> str:
    return {"bytes": "8 bit", "deep": "16 bit", "whole": "other whole numbers", "fractions": "floats"}[kind]


def _range(kind: str, spread: Spread, full: float) -> str:
    return f"{_words(kind)} go from {spread.low:g} to {spread.high:g}; {full:g} stands for 1"


def _faint(spread: Spread) -> str:
    shown = some_of(spread.faint, 3)
    return f"{shown}: nothing above 1 where other files go to {spread.high:g}; all were read on one scale"
