"""solo-learn's augmentation YAML: a list with one entry for each pipeline, its steps always in the same order.

Source: solo-learn, `solo/data/pretrain_dataloader.py` (build_transform_pipeline), `scripts/*/augmentations`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ssrl_core.errors import SpecError
from ssrl_core.specs.composition import Composition, Step, ViewGroup
from ssrl_core.specs.parameters import Parameter, refuse_unknown
from ssrl_core.specs.transforms import TRANSFORMS
from ssrl_core.specs.yaml_files import parse_yaml

FORMAT = "solo-learn"
ORDER = {
    "resized_crop": "rrc",
    "color_jitter": "color_jitter",
    "grayscale": "grayscale",
    "gaussian_blur": "gaussian_blur",
    "solarize": "solarization",
    "equalize": "equalization",
    "horizontal_flip": "horizontal_flip",
}
"""Our transform and solo-learn's section, in the order in which solo-learn applies them."""
_JITTER = ("brightness", "contrast", "saturation", "hue")
_KEYS = {
    "rrc": {"enabled", "crop_min_scale", "crop_max_scale"},
    "color_jitter": {"prob", *_JITTER},
    **{section: {"prob"} for name, section in ORDER.items() if name not in ("resized_crop", "color_jitter")},
}
_SIZE = Parameter("crop_size", "integer", None, "", 1, 4096)
_COUNT = Parameter("num_crops", "integer", 1, "", 1, 64)
_PROB = Parameter("prob", "number", 0.0, "")
_PLAIN_RESIZE = {"scale": (1.0, 1.0), "ratio": (1.0, 1.0)}


def write(composition: Composition, side: int | None = None) -> str:
    """The text of an augmentations file.

    Args:
        side: `crop_size` of groups that have no size.

    Raises:
        SpecError: naming the step that solo-learn cannot say.
    """
    _check_roles(composition, side)
    entries = []
    for group in composition.views:
        several = len(composition.views) > 1
        where = f'Composition "{composition.name}"' + (f", views {group.name!r}" if several else "")
        entries.append(_entry(group, group.size or side, where))
    return "".join(_text(entry) for entry in entries)


def recognised(text: str | bytes, where: str) -> bool:
    """Whether a text is a list of pipelines, or has one under `augmentations`."""
    return _pipelines(parse_yaml(text, where)) is not None


def read(text: str | bytes, where: str, name: str) -> tuple[Composition, str, list[str]]:
    """The composition of an augmentations file (or of a whole solo-learn configuration with them inline).

    Returns:
        The composition, the name of the format, and notes on what differs.

    Raises:
        SpecError: naming the entry and the key.
    """
    pipelines = _pipelines(parse_yaml(text, where))
    if pipelines is None:
        raise SpecError.at(
            where,
            "augmentations",
            "a list of pipelines",
            None,
            "Open the file of the folder `augmentations` that the configuration names.",
        )
    places = [f"{where}, pipeline {number}" for number in range(1, len(pipelines) + 1)]
    groups = [_group(entry, place) for entry, place in zip(pipelines, places, strict=True)]
    largest = max(size or 0 for _, _, size in groups)
    single = len(groups) == 1
    views = tuple(
        ViewGroup(
            "view" if single else f"view{number}", count, steps, size, "local" if (size or 0) < largest else "global"
        )
        for number, (count, steps, size) in enumerate(groups, 1)
    )
    return Composition(name, views), FORMAT, _notes(pipelines)


def _pipelines(data: Any) -> list[Any] | None:
    if isinstance(data, Mapping) and "augmentations" in data:
        data = data["augmentations"]
    if isinstance(data, Mapping) and not {"steps", "views"} & set(data) and set(data) & {*ORDER.values(), "num_crops"}:
        data = [data]
    return data if isinstance(data, list) and data else None


def _group(entry: Any, where: str) -> tuple[int, tuple[Step, ...], int | None]:
    """Count, steps and size of one pipeline."""
    if not isinstance(entry, Mapping):
        raise SpecError.at(where, "pipeline", "a mapping", entry, "See solo-learn's files.")
    refuse_unknown(entry, {*ORDER.values(), "crop_size", "num_crops"}, where, "a key of a pipeline")
    for section, keys in _KEYS.items():
        content = entry.get(section) or {}
        if not isinstance(content, Mapping):
            raise SpecError.at(where, section, "a mapping", content, "Write {prob: 0.5}.")
        refuse_unknown(content, keys, f"{where}, {section}", "a key of this section")
    size = entry.get("crop_size")
    size = None if size is None else _SIZE.check(size, where)
    steps = [_crop(entry.get("rrc") or {}, f"{where}, rrc")]
    for name, section in list(ORDER.items())[1:]:
        content = entry.get(section) or {}
        p = _PROB.check(content.get("prob", 0.0), f"{where}, {section}")
        if p > 0:
            steps.append(Step(name, p, settings=_settings(name, content, f"{where}, {section}")))
    return _COUNT.check(entry.get("num_crops", 1), where), tuple(steps), size


def _crop(content: Mapping[str, Any], where: str) -> Step:
    enabled = content.get("enabled", bool(content))
    if not isinstance(enabled, bool):
        raise SpecError.at(where, "enabled", "true or false", enabled, "Write true.")
    if not enabled:
        return Step("resized_crop", settings=_PLAIN_RESIZE)
    default = TRANSFORMS["resized_crop"].parameter("scale")
    low, high = content.get("crop_min_scale", default.default[0]), content.get("crop_max_scale", default.default[1])
    return Step("resized_crop", settings={"scale": default.check([low, high], where)})


def _settings(name: str, content: Mapping[str, Any], where: str) -> dict[str, Any]:
    if name != "color_jitter":
        return {}
    row = TRANSFORMS[name]
    lost = [key for key in _JITTER if key not in content]
    if lost:
        raise SpecError.at(where, lost[0], "given where prob is above 0", None, "Write 0 for none.")
    return {key: row.parameter(key).check(content[key], where) for key in _JITTER}


def _notes(pipelines: list[Any]) -> list[str]:
    notes = ["solo-learn resizes with bicubic interpolation, Viewloom with bilinear, antialiased."]
    if any(not ((entry.get("rrc") or {}).get("enabled", bool(entry.get("rrc")))) for entry in pipelines):
        notes.append("rrc is off: the whole image is resized (the centre square of images that are not square).")
    return notes


def _check_roles(composition: Composition, side: int | None) -> None:
    sizes = [group.size or side or 0 for group in composition.views]
    for group, size in zip(composition.views, sizes, strict=True):
        if group.role != ("local" if size < max(sizes) else "global"):
            raise SpecError.at(
                f'Composition "{composition.name}", views {group.name!r}',
                "role",
                "local for smaller views and global for the largest, as solo-learn takes them",
                f"{group.role} at {size} px",
                "Change role or size.",
            )


def _entry(group: ViewGroup, size: int | None, where: str) -> dict[str, Any]:
    if size is None:
        raise SpecError.at(
            where,
            "size",
            "given: solo-learn names it crop_size",
            None,
            "Set the size of the views (on the command line --size PX serves too).",
        )
    found: dict[str, Step] = {}
    for number, step in enumerate(group.steps, 1):
        if step.enabled and step.p > 0:
            place = f"{where}, step {number} {step.transform}"
            _check_place(step.transform, list(found), place)
            _CHECKS.get(step.transform, _nothing)(step, place)
            found[step.transform] = step
    if "resized_crop" not in found:
        raise _cannot(
            f"{where}, step 1",
            "transform",
            "resized_crop first, as solo-learn always resizes first",
            None,
            "Add resized_crop; with scale [1, 1] and ratio [1, 1] it resizes the whole image.",
        )
    return {section: _section(name, found.get(name)) for name, section in ORDER.items()} | {
        "crop_size": size,
        "num_crops": group.count,
    }


def _check_place(name: str, before: list[str], where: str) -> None:
    if name not in ORDER:
        raise _cannot(where, "transform", "one that solo-learn has: " + ", ".join(ORDER), name, "Leave the step out.")
    order = list(ORDER)
    if before and order.index(name) <= order.index(before[-1]):
        rule = "in solo-learn's fixed order, each once: " + ", ".join(ORDER)
        raise _cannot(where, "order", rule, f"{name} after {before[-1]}", "Move the step.")


def _check_crop(step: Step, where: str) -> None:
    if step.p < 1:
        raise _cannot(where, "p", "1", step.p, "solo-learn crops always, or never (rrc: enabled).")
    ratio = TRANSFORMS["resized_crop"].parameter("ratio").default
    plain = step["scale"] == (1.0, 1.0) and step["ratio"] == (1.0, 1.0)
    if step["ratio"] != ratio and not plain:
        raise _cannot(where, "ratio", f"[{ratio[0]:g}, {ratio[1]:g}]", list(step["ratio"]), "solo-learn fixes it.")
    if step["overflow"] != "reject":
        raise _cannot(where, "overflow", "reject", step["overflow"], "solo-learn's crops never leave the image.")


def _check_jitter(step: Step, where: str) -> None:
    for name in _JITTER:
        if isinstance(step[name], tuple):
            raise _cannot(where, name, "one number", list(step[name]), "Give the amplitude alone.")
    if step["order"] != "random":
        raise _cannot(where, "order", "random", step["order"], "solo-learn shuffles the four changes.")


def _check_blur(step: Step, where: str) -> None:
    if step["sigma"] != (0.1, 2.0):
        raise _cannot(where, "sigma", "[0.1, 2]", list(step["sigma"]), "solo-learn fixes it.")


def _check_solarize(step: Step, where: str) -> None:
    if step["threshold"] != (0.5, 0.5):
        raise _cannot(where, "threshold", "0.5", list(step["threshold"]), "solo-learn fixes it.")


def _nothing(step: Step, where: str) -> None:
    pass


_CHECKS: dict[str, Callable[[Step, str], None]] = {
    "resized_crop": _check_crop,
    "color_jitter": _check_jitter,
    "gaussian_blur": _check_blur,
    "solarize": _check_solarize,
}


def _cannot(where: str, field: str, rule: str, value: Any, remedy: str) -> SpecError:
    return SpecError.at(where, field, f"{rule} (solo-learn)", value, remedy)


def _section(name: str, step: Step | None) -> dict[str, Any]:
    if name == "resized_crop":
        assert step is not None  # `_entry` looked
        plain = step["ratio"] == (1.0, 1.0)
        low, high = step["scale"]
        return {"enabled": not plain, "crop_min_scale": low, "crop_max_scale": high}
    section: dict[str, Any] = {"prob": step.p if step else 0.0}
    if name == "color_jitter":
        section |= {key: step[key] if step else 0.0 for key in _JITTER}
    return section


def _text(entry: dict[str, Any]) -> str:
    lines = []
    for key, value in entry.items():
        if isinstance(value, dict):
            lines.append(f"{key}:")
            lines += [f"  {inner}: {_scalar(number)}" for inner, number in value.items()]
        else:
            lines.append(f"{key}: {value}")
    return "\n".join(("- " if not number else "  ") + line for number, line in enumerate(lines)) + "\n"


def _scalar(value: Any) -> str:
    return str(value) if isinstance(value, bool) else _decimal(float(value))


def _decimal(value: float) -> str:
    """Without an exponent: PyYAML, which solo-learn reads with, takes 1e-05 for text."""
    text = repr(value)
    return text if "e" not in text else f"{value:.20f}".rstrip("0")
