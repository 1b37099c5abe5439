"""A transform as a table row: its name, its settings, and a sentence for someone who never trained a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ssrl_core.specs.parameters import Parameter


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
