"""A setting, and a transform, as a table row: name, what it may be, what it means. Validation and sliders read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from ssrl_core.errors import SpecError

Kind = Literal["range", "amplitude", "number", "integer", "choice", "boolean", "fill", "text"]


_LONGEST = 200
_LARGEST = 1.7e308  # a whole number of four hundred digits is no float


@dataclass(frozen=True)
class Parameter:
    """One setting.

    Attributes:
        name: the key in files.
        kind: `range` [lo, hi], drawn in it (a number x is [x, x]); `amplitude` a number x whose draw the sentence names
            (±x, or a factor 1±x), or [lo, hi] of the drawn quantity itself; `number`, `integer`, `choice`, `boolean`;
            `fill` a number in low..high or one of the options; `text` any words, such as the name of a column.
        low, high: bounds, inclusive, in `unit`.
        unit: "°", "px", "of the side", … or "" for a plain number.
        sentence: what it does, for someone who never trained a network.
        step: a sensible step of a slider.
        options: allowed words of a `choice` (or beside the number of a `fill`).
        pair_low, pair_high: bounds of [lo, hi] for an amplitude.
        log: the slider and the draw are better seen on a logarithmic scale.
        search: bounds that a search for compositions draws from, of [lo, hi] or of the amplitude; px are those of a
            view of 64 px. None: a search leaves the default.
    """

    name: str
    kind: Kind
    default: Any
    sentence: str
    low: float = 0.0
    high: float = 1.0
    unit: str = ""
    step: float = 0.01
    options: tuple[str, ...] = ()
    pair_low: float | None = None
    pair_high: float | None = None
    log: bool = False
    search: tuple[float, float] | None = None

    def check(self, value: Any, where: str) -> Any:
        """The value in its canonical form: float, int, text or a (lo, hi) tuple.

        Raises:
            SpecError: naming place, rule, value and remedy.
        """
        if self.kind == "choice":
            return self._word(value, where)
        if self.kind == "boolean":
            return self._truth(value, where)
        if self.kind == "integer":
            return self._integer(value, where)
        if self.kind == "text":
            return self._text(value, where)
        if self.kind == "fill" and isinstance(value, str) and value in self.options:
            return value
        if self.kind in ("range", "amplitude") and isinstance(value, list | tuple):
            return self._pair(value, where)
        number = self._number(value, where, self.low, self.high)
        return (number, number) if self.kind == "range" else number

    def rule(self) -> str:
        """What a value must be, in words."""
        bounds = f"in {self.low:g}..{self.high:g}"
        if self.kind == "choice":
            return "one of " + ", ".join(self.options)
        if self.kind == "boolean":
            return "true or false"
        if self.kind == "integer":
            return f"a whole number {bounds}"
        if self.kind == "text":
            return f"words, at most {_LONGEST} letters"
        if self.kind == "range":
            return f"[low, high] {bounds}"
        if self.kind == "fill" and self.options:
            return f"{bounds} or " + " or ".join(self.options)
        return bounds

    def _fail(self, value: Any, where: str, rule: str | None = None, remedy: str | None = None) -> SpecError:
        return SpecError.at(
            where, self.name, rule or self.rule(), value, remedy or f"The default is {shown(self.default)}."
        )

    def _word(self, value: Any, where: str) -> str:
        if not isinstance(value, str) or value not in self.options:
            import difflib

            near = difflib.get_close_matches(str(value), self.options, n=1)
            raise self._fail(value, where, remedy=f"Did you mean {near[0]}?" if near else None)
        return value

    def _truth(self, value: Any, where: str) -> bool:
        if not isinstance(value, bool):
            raise self._fail(value, where)
        return value

    def _text(self, value: Any, where: str) -> str:
        if not isinstance(value, str) or not 1 <= len(value.strip()) <= _LONGEST:
            raise self._fail(value, where)
        return value.strip()

    def _integer(self, value: Any, where: str) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not self.low <= value <= self.high:
            raise self._fail(value, where)
        return value

    def _number(self, value: Any, where: str, low: float, high: float) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
            raise self._fail(value, where)
        if not low <= value <= high:
            raise self._fail(value, where, remedy=f"{'Lower' if value > high else 'Raise'} {self.name}.")
        return float(value) + 0.0  # -0.0 and 0.0 are one value

    def _pair(self, value: Any, where: str) -> tuple[float, float]:
        low = self.low if self.pair_low is None else self.pair_low
        high = self.high if self.pair_high is None else self.pair_high
        rule = f"[low, high] in {low:g}..{high:g}"
        if len(value) != 2:
            raise self._fail(list(value), where, rule)
        for item in value:
            if (
                isinstance(item, bool)
                or not isinstance(item, int | float)
                or not abs(item) <= _LARGEST
                or not low <= item <= high
            ):
                raise self._fail(list(value), where, rule)
        if value[0] > value[1]:
            raise self._fail(list(value), where, "[low, high] with low ≤ high", "Swap the two.")
        return (float(value[0]) + 0.0, float(value[1]) + 0.0)


def shown(value: Any) -> str:
    """A value as people read it: 0.4, [0.08, 1], reject."""
    if isinstance(value, tuple | list):
        return "[" + ", ".join(shown(item) for item in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def check_settings(
    parameters: tuple[Parameter, ...], given: Mapping[str, Any], where: str, owner: str
) -> dict[str, Any]:
    """All settings in table order, defaults filled in.

    Args:
        owner: what has these settings ("rotation", "method simclr"), for the message about unknown ones.

    Raises:
        SpecError: an unknown setting or a value outside its rule.
    """
    known = {parameter.name for parameter in parameters}
    refuse_unknown(given, known, where, f"a setting of {owner}")
    return {p.name: p.check(given.get(p.name, p.default), where) for p in parameters}


def refuse_unknown(given: Mapping[str, Any], known: set[str] | frozenset[str], where: str, what: str) -> None:
    """Refuse keys that mean nothing here, naming the nearest one that does."""
    import difflib

    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), sorted(known), n=1)
            names = ", ".join(sorted(known)) or "none"
            remedy = f"Did you mean {near[0]!r}?" if near else f"There is: {names}."
            raise SpecError.at(where, str(key), what, str(key), remedy)


class Frozen(dict[str, Any]):
    """A dictionary that cannot change, so that frozen specs can be compared, hashed and cached."""

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("settings are frozen: make a new step or spec")

    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = _refuse  # type: ignore[assignment]

    def __hash__(self) -> int:  # type: ignore[override]
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(tuple((key, _hashable(value)) for key, value in self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return (Frozen, (dict(self),))


def _hashable(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((key, _hashable(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return tuple(_hashable(item) for item in value)
    return value


@dataclass(frozen=True)
class Transform:
    """One named operation.

    Attributes:
        kind: geometry moves pixels, colour changes values one by one, pixel mixes or hides them.
        icon: Material symbol.
        sentence: what it does to an image and what a network then learns to ignore.
        channels: 3 if parts of it mean something on red, green and blue only, 2 if it needs several, else None.
        source: where the definition is from.
        begins_with: settings of a step that is added by hand, where the defaults of a spec would change nothing.
        once: settings whose draw can be made once for a whole run.
        searched: whether a search from wishes tries it; not where another transform does nearly the same.
    """

    name: str
    title: str
    icon: str
    kind: Literal["geometry", "colour", "pixel"]
    sentence: str
    source: str
    parameters: tuple[Parameter, ...] = ()
    channels: int | None = None
    begins_with: Mapping[str, Any] = field(default_factory=dict, compare=False)
    once: tuple[str, ...] = ()
    searched: bool = True

    def parameter(self, name: str) -> Parameter:
        """The row of one setting."""
        return next(parameter for parameter in self.parameters if parameter.name == name)


def _span(value: Any, unit: str = "", *, percent: bool = False) -> str:
    scale, digits = (100.0, ".3g") if percent else (1.0, ".3g")
    suffix = " %" if percent else unit
    if isinstance(value, tuple):
        low, high = value[0] * scale, value[1] * scale
        text = f"{low:{digits}}" if low == high else f"{low:{digits}} to {high:{digits}}"
        return text + suffix
    return f"{value * scale:{digits}}{suffix}"


def _up_to(value: Any, unit: str, *, percent: bool = False) -> str:
    text = _span(value, unit, percent=percent)
    return f"from {text}" if isinstance(value, tuple) else f"up to {text}"


def _affine_sentence(s: Mapping[str, Any]) -> str:
    parts = []
    if s["degrees"]:
        parts.append(f"turn {_up_to(s['degrees'], '°')}")
    if s["translate"]:
        parts.append(f"shift {_up_to(s['translate'], '', percent=True)}")
    if s["shear"]:
        parts.append(f"slant {_up_to(s['shear'], '°')}")
    if s["scale"] != (1.0, 1.0):
        parts.append(f"size × {_span(s['scale'])}")
    return "affine: " + (", ".join(parts) or "nothing changes")


def _jitter_sentence(s: Mapping[str, Any]) -> str:
    names = ("brightness", "contrast", "saturation")
    parts = [
        f"{n} {'× ' if isinstance(s[n], tuple) else '± '}{_span(s[n])}"
        for n in names
        if s[n] or isinstance(s[n], tuple)
    ]
    if s["hue"]:
        parts.append(f"hue {'' if isinstance(s['hue'], tuple) else '± '}{_span(s['hue'])}")
    return "colour jitter: " + (", ".join(parts) or "nothing changes")


def _gain_sentence(s: Mapping[str, Any]) -> str:
    gain = f"gain {'× ' if isinstance(s['gain'], tuple) else '± '}{_span(s['gain'])}"
    offset = f"offset {'' if isinstance(s['offset'], tuple) else '± '}{_span(s['offset'])}"
    return "each channel by itself: " + (
        ", ".join(t for t, on in ((gain, s["gain"]), (offset, s["offset"])) if on) or "nothing changes"
    )


SENTENCES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "resized_crop": lambda s: (
        f"crop to {_span(s['scale'], percent=True)} of the area"
        + (", over the edge too" if s["overflow"] == "pad" else "")
    ),
    "side_crop": lambda s: f"crop to {_span(s['side'], percent=True)} of the side",
    "center_crop": lambda s: f"centre crop to {_span(s['side'], percent=True)} of the side",
    "pad": lambda s: f"margin of {_span(s['fraction'], percent=True)} on each side",
    "rotation": lambda s: f"rotation {_up_to(s['degrees'], '°')}",
    "affine": _affine_sentence,
    "color_jitter": _jitter_sentence,
    "hue_jitter": lambda s: f"hue {'' if isinstance(s['hue'], tuple) else '± '}{_span(s['hue'])}",
    "gaussian_blur": lambda s: f"blur of {_span(s['sigma'], ' px')}",
    "solarize": lambda s: f"solarize from {_span(s['threshold'])}",
    "random_erasing": lambda s: f"erasing {_span(s['scale'], percent=True)} of the area",
    "gaussian_noise": lambda s: f"noise of {_span(s['sigma'], percent=True)} of full brightness",
    "poisson_noise": lambda s: f"shot noise of {_span(s['photons'])} photons",
    "channel_gain": _gain_sentence,
    "channel_drop": lambda s: "one channel taken away",
    "gamma": lambda s: f"gamma of {_span(s['gamma'])}",
    "elastic": lambda s: f"elastic, moved by {_span(s['amplitude'], percent=True)} of the side",
    "saturation_noise": lambda s: f"exposed × {_span(s['exposure'])}, {_span(s['share'], percent=True)} hot pixels",
    "stain_crosstalk": lambda s: f"stains bleed by {_span(s['share'], percent=True)}",
    "shading": lambda s: f"shading of {_span(s['depth'], percent=True)}",
    "defocus": lambda s: f"out of focus by {_span(s['radius'], ' px')}",
}
