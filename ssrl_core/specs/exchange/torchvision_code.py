"""Python code of torchvision's v2 transforms that does what a composition says, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ssrl_core.errors import SpecError
from ssrl_core.specs.composition import Composition, Step, ViewGroup

_HEAD = '''"""{title}

Written by Viewloom for torchvision's v2 transforms: {sentence}.

`views(image)` takes one image, a (C, H, W) tensor (uint8, uint16 or float in 0..1), and returns its views, float in
0..1.
Steps are applied one after the other here, so that each geometric step interpolates anew.
"""

from functools import lru_cache

import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

LINEAR = v2.InterpolationMode.BILINEAR
'''
_PIPELINES = '''

def pipelines(side):
    """Each pipeline with its number of views; side is that of the image."""
    return [
'''
_TAIL = '''

def views(image):
    """All views of one image."""
    if image.dtype == torch.uint16:
        image = image.to(torch.float32) / 65535
    image = v2.functional.to_dtype(image, torch.float32, scale=True)
    side = min(image.shape[-2:])
    return [view for pipeline, count in pipelines(side) for view in (pipeline(image) for _ in range(count))]
'''


def write(composition: Composition, side: int | None = None) -> str:
    """The text of a Python module with `views(image)`.

    Args:
        side: of views that have no size of their own; None takes the image's shorter side.

    Raises:
        SpecError: naming the step that torchvision cannot say.
    """
    used: list[str] = []
    groups = [_group(composition, group, side, used) for group in composition.views]
    sentence = composition.sentence().replace("\\", "").replace('"', "'")
    head = _HEAD.format(title=f"Composition {composition.name}.", sentence=sentence)
    parts = "".join(f"\n\n{PARTS[name]}" for name in dict.fromkeys(used))
    return head + parts + _PIPELINES + "".join(groups) + "    ]\n" + _TAIL


def _group(composition: Composition, group: ViewGroup, side: int | None, used: list[str]) -> str:
    where = f'Composition "{composition.name}"' + (f", views {group.name!r}" if len(composition.views) > 1 else "")
    size = str(group.size or side or "side")
    lines = [line for _, step, place in _live(group.steps, where) for line in [_step(step, size, place, used)]]
    lines.append(f"v2.Resize(({size}, {size}), LINEAR, antialias=True)")
    start, end = " " * 8 + "(v2.Compose([\n", " " * 8 + f"]), {group.count}),\n"
    return start + "".join(f"{' ' * 12}{line},\n" for line in lines) + end


def _live(steps: tuple[Step, ...], where: str) -> Iterator[tuple[int, Step, str]]:
    for number, step in enumerate(steps, 1):
        if step.enabled and step.p > 0:
            yield number, step, f"{where}, step {number} {step.transform}"


def _step(step: Step, size: str, where: str, used: list[str]) -> str:
    if step.transform == "choice":
        return _choice(step, size, where, used)
    made = _WRITERS.get(step.transform)
    if made is None:
        raise _cannot(where, "transform", "one that torchvision has", step.transform, "Leave the step out.")
    text, own_p = made(step, size, where, used)
    if own_p or step.p == 1.0:
        return text
    if step.transform == "resized_crop":
        rest = f"v2.Resize(({size}, {size}), LINEAR, antialias=True)"
        return f"v2.RandomChoice([{text}, {rest}], p=[{step.p!r}, {1 - step.p!r}])"
    return f"v2.RandomApply([{text}], p={step.p!r})"


def _choice(step: Step, size: str, where: str, used: list[str]) -> str:
    branches = []
    for number, branch in enumerate(step.branches, 1):
        inner = [_step(s, size, p, used) for _, s, p in _live(branch.steps, f"{where}, branch {number}")]
        branches.append(f"v2.Compose([{', '.join(inner)}])" if inner else "v2.Identity()")
    total = sum(branch.weight for branch in step.branches)
    shares = [branch.weight / total for branch in step.branches]
    text = f"v2.RandomChoice([{', '.join(branches)}], p={shares!r})"
    return text if step.p == 1.0 else f"v2.RandomApply([{text}], p={step.p!r})"


Written = tuple[str, bool]
"""The code of a step, and whether it has the probability in it."""


def _crop(step: Step, size: str, where: str, used: list[str]) -> Written:
    if step["overflow"] != "reject":
        raise _cannot(where, "overflow", "reject", step["overflow"], "torchvision's crops never leave the image.")
    arguments = f"scale={step['scale']!r}, ratio={step['ratio']!r}, interpolation=LINEAR, antialias=True"
    return f"v2.RandomResizedCrop(({size}, {size}), {arguments})", False


def _part(name: str, *settings: str) -> Callable[[Step, str, str, list[str]], Written]:
    def write_part(step: Step, size: str, where: str, used: list[str]) -> Written:
        used.append(name)
        values = ", ".join(f"{key}={_setting(step, key, used)}" for key in settings)
        return f"v2.Lambda(lambda image: {name}(image{', ' + values if values else ''}))", False

    return write_part


def _setting(step: Step, key: str, used: list[str]) -> str:
    """A range as code; one that is drawn once for a run is drawn for the first view and kept."""
    if key not in step.once:
        return repr(step[key])
    used.append("once")
    low, high = step[key]
    return f"once({low!r}, {high!r}, number={len(used)})"


def _plain(name: str) -> Callable[[Step, str, str, list[str]], Written]:
    return lambda step, size, where, used: (f"v2.{name}(p={step.p!r})", True)


def _rotation(step: Step, size: str, where: str, used: list[str]) -> Written:
    low, high = _both(step["degrees"])
    return f"v2.RandomRotation(({low!r}, {high!r}), LINEAR, fill={step['fill']!r})", False


def _affine(step: Step, size: str, where: str, used: list[str]) -> Written:
    low, high = _both(step["translate"])
    if low != -high:
        raise _cannot(where, "translate", "one number, to both sides", [low, high], "Give the amplitude alone.")
    arguments = f"translate=({high!r}, {high!r}), scale={step['scale']!r}, shear={_both(step['shear'])!r}"
    return (
        f"v2.RandomAffine({_both(step['degrees'])!r}, {arguments}, interpolation=LINEAR, fill={step['fill']!r})",
        False,
    )


def _jitter(step: Step, size: str, where: str, used: list[str]) -> Written:
    names = ("brightness", "contrast", "saturation")
    pairs = {name: _factors(step[name]) for name in names if step[name] not in (0.0, (1.0, 1.0))}
    if step["hue"] not in (0.0, (0.0, 0.0)):
        pairs["hue"] = _both(step["hue"])
    if step["order"] == "random" or len(pairs) < 2:
        return f"v2.ColorJitter({', '.join(f'{k}={v!r}' for k, v in pairs.items())})", False
    return f"v2.Compose([{', '.join(f'v2.ColorJitter({k}={v!r})' for k, v in pairs.items())}])", False


def _hue(step: Step, size: str, where: str, used: list[str]) -> Written:
    return f"v2.ColorJitter(hue={_both(step['hue'])!r})", False


def _gain(step: Step, size: str, where: str, used: list[str]) -> Written:
    used.append("channel_gain")
    settings = f"gain={_factors(step['gain'])!r}, offset={_both(step['offset'])!r}"
    return f"v2.Lambda(lambda image: channel_gain(image, {settings}))", False


def _solarize(step: Step, size: str, where: str, used: list[str]) -> Written:
    low, high = step["threshold"]
    if low != high:
        raise _cannot(where, "threshold", "one number", [low, high], "torchvision draws none: fix it.")
    return f"v2.RandomSolarize({low!r}, p={step.p!r})", True


def _erasing(step: Step, size: str, where: str, used: list[str]) -> Written:
    if isinstance(step["value"], str):
        remedy = "Give a brightness: torchvision's own noise is normal and not uniform, and it has no mean."
        raise _cannot(where, "value", "a number", step["value"], remedy)
    if step["scale"][1] <= 0 or step["scale"][0] < 0:
        raise _cannot(where, "scale", "above 0", list(step["scale"]), "Raise it, or leave the step out.")
    return f"v2.RandomErasing({step.p!r}, {step['scale']!r}, {step['ratio']!r}, value={step['value']!r})", True


def _both(setting: float | tuple[float, float]) -> tuple[float, float]:
    return setting if isinstance(setting, tuple) else (-setting, setting)


def _factors(setting: float | tuple[float, float]) -> tuple[float, float]:
    return setting if isinstance(setting, tuple) else (max(0.0, 1.0 - setting), 1.0 + setting)


_WRITERS: dict[str, Callable[[Step, str, str, list[str]], Written]] = {
    "resized_crop": _crop,
    "side_crop": _part("side_crop", "side"),
    "center_crop": _part("center_crop", "side"),
    "pad": _part("pad", "fraction", "fill"),
    "horizontal_flip": _plain("RandomHorizontalFlip"),
    "vertical_flip": _plain("RandomVerticalFlip"),
    "rotation": _rotation,
    "affine": _affine,
    "color_jitter": _jitter,
    "hue_jitter": _hue,
    "grayscale": _plain("RandomGrayscale"),
    "invert": _plain("RandomInvert"),
    "equalize": _plain("RandomEqualize"),
    "gaussian_blur": _part("blur", "sigma"),
    "solarize": _solarize,
    "random_erasing": _erasing,
    "gaussian_noise": _part("gaussian_noise", "sigma"),
    "poisson_noise": _part("poisson_noise", "photons"),
    "channel_gain": _gain,
    "channel_drop": _part("channel_drop", "fill"),
    "gamma": _part("gamma", "gamma"),
}


def _cannot(where: str, field: str, rule: str, value: Any, remedy: str) -> SpecError:
    return SpecError.at(where, field, f"{rule} (torchvision)", value, remedy)


PARTS: dict[str, str] = {
    "once": '''@lru_cache(maxsize=None)
def once(low, high, number):
    """A number that is drawn for the first view and stays, as a range."""
    drawn = float(torch.empty(()).uniform_(low, high))
    return drawn, drawn
''',
    "side_crop": '''def side_crop(image, side):
    """A piece of the image's own shape from anywhere, at the size of the image."""
    height, width = image.shape[-2:]
    share = float(torch.empty(()).uniform_(*side))
    h, w = max(1, round(share * height)), max(1, round(share * width))
    top, left = int(torch.randint(height - h + 1, ())), int(torch.randint(width - w + 1, ()))
    return F.resized_crop(image, top, left, h, w, [height, width], LINEAR, antialias=True)
''',
    "center_crop": '''def center_crop(image, side):
    """The middle of the image, at its own size."""
    height, width = image.shape[-2:]
    share = float(torch.empty(()).uniform_(*side))
    piece = [max(1, round(share * height)), max(1, round(share * width))]
    return F.resize(F.center_crop(image, piece), [height, width], LINEAR, antialias=True)
''',
    "pad": '''def pad(image, fraction, fill):
    """A margin on each side, then back to the size before."""
    height, width = image.shape[-2:]
    share = float(torch.empty(()).uniform_(*fraction))
    margins = [round(share * width), round(share * height)]
    return F.resize(F.pad(image, margins, fill=fill), [height, width], LINEAR, antialias=True)
''',
    "blur": '''def blur(image, sigma):
    """A Gaussian of a drawn width, cut at three standard deviations; as wide as the image allows."""
    width = float(torch.empty(()).uniform_(*sigma))
    reach = min(int(-(-3 * width // 1)), min(image.shape[-2:]) - 1)
    return F.gaussian_blur(image, [2 * reach + 1] * 2, [width] * 2) if reach > 0 else image
''',
    "gaussian_noise": '''def gaussian_noise(image, sigma):
    """A normal number for each pixel and channel."""
    return (image + float(torch.empty(()).uniform_(*sigma)) * torch.randn_like(image)).clamp(0, 1)
''',
    "poisson_noise": '''def poisson_noise(image, photons):
    """A pixel counts photons; their number is drawn log-uniformly."""
    low, high = photons
    count = low * (high / low) ** float(torch.rand(()))
    return (torch.poisson(image * count) / count).clamp(max=1)
''',
    "channel_gain": '''def channel_gain(image, gain, offset):
    """Each channel multiplied and shifted by itself."""
    shape = (image.shape[-3], 1, 1)
    return (image * torch.empty(shape).uniform_(*gain) + torch.empty(shape).uniform_(*offset)).clamp(0, 1)
''',
    "channel_drop": '''def channel_drop(image, fill):
    """One channel taken away."""
    image = image.clone()
    image[..., int(torch.randint(image.shape[-3], ())), :, :] = fill
    return image
''',
    "gamma": '''def gamma(image, gamma):
    """x to a power that is drawn log-uniformly."""
    low, high = gamma
    return F.adjust_gamma(image, low * (high / low) ** float(torch.rand(())))
''',
}
