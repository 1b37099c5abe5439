"""A composition: ordered steps, as frozen data that reads as a sentence (docs/contracts.md C3); which of them fight."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

from ssrl_core import access, stores
from ssrl_core.errors import SpecError
from ssrl_core.specs.parameters import Parameter, refuse_unknown
from ssrl_core.specs.steps import MAX_STEPS, Branch, Step, how_often, read_steps
from ssrl_core.specs.yaml_files import dump_yaml, kind_of, parse_yaml, read_at_most

__all__ = [
    "IMAGE",
    "Branch",
    "Composition",
    "Step",
    "ViewGroup",
    "dump",
    "how_often",
    "load",
    "parse",
    "preset_names",
    "save",
    "saved_names",
]

VERSION = 1
MAX_VIEWS = 64
MAX_NAME = 200
IMAGE = "image"
"""Two views of one image are a pair."""
PRESETS = Path(__file__).parent / "presets"

_SIZE = Parameter("size", "integer", None, "Side of the views.", 1, 4096, "px", 1)
_COUNT = Parameter("count", "integer", 2, "Views of each image.", 1, MAX_VIEWS, "", 1)


@dataclass(frozen=True)
class ViewGroup:
    """Views of one image that share their steps.

    Attributes:
        count: views of each image.
        size: side of the views in px; None is the image set's own.
        role: teachers see only `global` views.
    """

    name: str = "view"
    count: int = 2
    steps: tuple[Step, ...] = ()
    size: int | None = None
    role: Literal["global", "local"] = "global"

    def __post_init__(self) -> None:
        where = f"View group {self.name!r}"
        object.__setattr__(self, "count", _COUNT.check(self.count, where))
        object.__setattr__(self, "size", None if self.size is None else _SIZE.check(self.size, where))
        object.__setattr__(self, "steps", tuple(self.steps))
        if self.role not in ("global", "local"):
            raise SpecError.at(where, "role", "global or local", self.role, "Leave it out for global.")
        if len(self.steps) > MAX_STEPS:
            raise SpecError.at(where, "steps", f"at most {MAX_STEPS}", len(self.steps), "Remove some.")


@dataclass(frozen=True)
class Composition:
    """Ordered steps for one or several groups of views; order matters.

    Attributes:
        pair: whose views count as equal: those of one `image`, or of images that share the value of a column (`well`,
            `compound` …).

    Raises:
        SpecError: when made with no view group, two of one name, or more than 64 views.
    """

    name: str
    views: tuple[ViewGroup, ...] = (ViewGroup(),)
    version: int = VERSION
    pair: str = IMAGE

    def __post_init__(self) -> None:
        stores.check_slug(self.name, where=f"Composition {self.name!r}")
        object.__setattr__(self, "views", tuple(self.views))
        where = f"Composition {self.name!r}"
        if not 1 <= self.view_count <= MAX_VIEWS:
            raise SpecError.at(where, "views", f"1 to {MAX_VIEWS} views", self.view_count, "Change count.")
        names = [group.name for group in self.views]
        if len(set(names)) < len(names):
            raise SpecError.at(where, "views", "groups of different names", names, "Rename one.")
        if not isinstance(self.pair, str) or not 1 <= len(self.pair.strip()) <= MAX_NAME:
            rule = "image or the name of a column, such as well or compound"
            raise SpecError.at(where, "pair", rule, self.pair, "Leave it out for image.")

    @property
    def pairs_others(self) -> bool:
        """Whether views of different images are a pair: one view alone has no partner."""
        return self.pair != IMAGE and self.view_count > 1

    @classmethod
    def simple(cls, name: str, steps: Sequence[Step], *, size: int | None = None, count: int = 2) -> Composition:
        """A composition of one group of views."""
        return cls(name, (ViewGroup("view", count, tuple(steps), size),))

    @property
    def view_count(self) -> int:
        """All views of one image."""
        return sum(group.count for group in self.views)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the only group.

        Raises:
            SpecError: if there are several groups.
        """
        return self._only().steps

    @property
    def size(self) -> int | None:
        """The side of the only group's views."""
        return self._only().size

    def with_steps(self, steps: Sequence[Step], group: int = 0) -> Composition:
        """The same composition with other steps in one group."""
        views = list(self.views)
        views[group] = replace(views[group], steps=tuple(steps))
        return replace(self, views=tuple(views))

    def renamed(self, name: str) -> Composition:
        """The same composition under another name."""
        return replace(self, name=name)

    def sentence(self) -> str:
        """The whole composition in words."""
        groups = []
        for group in self.views:
            text = "; ".join(step.sentence() for step in group.steps if step.enabled) or "the image as it is"
            groups.append(text if len(self.views) == 1 else f"{group.count} × {group.name}: {text}")
        pairs = [] if self.pair == IMAGE else [f"pairs: different images that share their {self.pair}"]
        return " · ".join([*groups, *pairs])

    def _repr_html_(self) -> str:
        from html import escape

        return f"<b>{escape(self.name)}</b>: {escape(self.sentence())}"

    @classmethod
    def from_mapping(cls, data: Any, where: str | None = None) -> Composition:
        """A composition from plain data, short or full form.

        Raises:
            SpecError: naming the step and the rule.
        """
        if not isinstance(data, Mapping):
            raise SpecError.at(
                where or "Composition", "composition", "a mapping", kind_of(data), "See docs/designer.md."
            )
        name = data.get("name", "untitled")
        place = where or f'Composition "{name}"'
        stores.check_version(dict(data), place, VERSION)
        stores.check_slug(name, where=place)
        if "views" in data:
            refuse_unknown(data, {"version", "name", "views", "pair"}, place, "a key of a composition with views")
            return cls(name, _groups(data["views"], place), pair=data.get("pair", IMAGE))
        refuse_unknown(data, {"version", "name", "size", "steps", "pair"}, place, "a key of a composition")
        only = ViewGroup("view", 2, read_steps(data.get("steps", []), place), _size(data.get("size"), place))
        return cls(name, (only,), pair=data.get("pair", IMAGE))

    def to_mapping(self) -> dict[str, Any]:
        """Plain data; the short form where one group of two global views says it all."""
        head: dict[str, Any] = {"version": self.version, "name": self.name}
        if self.pair != IMAGE:  # left out else: compositions of before keep their hashes
            head["pair"] = self.pair
        only = self.views[0]
        if len(self.views) == 1 and (only.name, only.count, only.role) == ("view", 2, "global"):
            return head | {"size": only.size, "steps": [step.to_mapping() for step in only.steps]}
        return head | {
            "views": [
                {
                    "name": g.name,
                    "count": g.count,
                    "size": g.size,
                    "role": g.role,
                    "steps": [s.to_mapping() for s in g.steps],
                }
                for g in self.views
            ]
        }

    def _only(self) -> ViewGroup:
        if len(self.views) != 1:
            raise SpecError.at(
                f"Composition {self.name!r}", "views", "one group here", len(self.views), "Choose a group."
            )
        return self.views[0]


def parse(text: str | bytes, where: str = "Composition") -> Composition:
    """A composition from YAML or JSON text."""
    data = parse_yaml(text, where)
    name = data.get("name") if isinstance(data, Mapping) else None
    return Composition.from_mapping(data, f'Composition "{name}"' if isinstance(name, str) else where)


def dump(composition: Composition) -> str:
    """The canonical YAML text; `parse` gives the same composition back, and the text byte for byte."""
    return dump_yaml(composition.to_mapping())


def load(source: str | Path | Mapping[str, Any], *, base: Path | None = None) -> Composition:
    """A composition by the name of a preset or a saved one, from a file, or from plain data.

    Args:
        base: folder that relative file names start from.

    Raises:
        SpecError: if nothing of that name is there, or what is there is not a composition.
    """
    if isinstance(source, Mapping):
        return Composition.from_mapping(source)
    if isinstance(source, str):
        for folder in (PRESETS, stores.compositions_root()):
            file = folder / f"{source}.yaml"
            if stores.SLUG.match(source) and file.is_file():
                found = file.stat()
                return _named(source, file, (found.st_mtime_ns, found.st_size))
    path = Path(source) if base is None else base / source
    access.require_readable(path, "Composition")
    if not os.path.isfile(path):  # not Path.is_file, which fails over a name that is too long
        known = ", ".join([*preset_names(), *saved_names()])
        raise SpecError.at(
            "Composition", "composition", "a preset, a saved name or a file", str(source), f"There is: {known}."
        )
    return parse(read_at_most(path, "composition"), str(path))


@lru_cache(256)
def _named(name: str, file: Path, stamp: tuple[int, int]) -> Composition:
    """A composition of the store, read again when its file has changed (the paper asks hundreds of times)."""
    return parse(read_at_most(file, "composition"), f'Composition "{name}"')


def save(composition: Composition) -> Path:
    """Keep a composition under its name in the store; a preset's name is refused."""
    access.require_editor("Keeping a composition")
    if composition.name in preset_names():
        raise SpecError.at("Composition", "name", "other than a preset's", composition.name, "Choose another name.")
    path = stores.compositions_root() / f"{composition.name}.yaml"
    stores.replace(path, dump(composition))
    return path


def preset_names() -> list[str]:
    """Names of the compositions that ship, in the order of their table."""
    from ssrl_core.specs.presets_table import PRESETS_TABLE

    return list(PRESETS_TABLE)


def saved_names() -> list[str]:
    """Names of the user's saved compositions."""
    return sorted(path.stem for path in stores.compositions_root().glob("*.yaml") if stores.SLUG.match(path.stem))


def _size(value: Any, where: str) -> int | None:
    return None if value is None else _SIZE.check(value, where)


def _groups(data: Any, where: str) -> tuple[ViewGroup, ...]:
    if not isinstance(data, list | tuple) or not data:
        raise SpecError.at(where, "views", "a list of view groups", data, "Give one at least.")
    groups = []
    for number, item in enumerate(data, 1):
        if not isinstance(item, Mapping):
            raise SpecError.at(where, f"views {number}", "a mapping", item, "See docs/designer.md.")
        name = item.get("name", f"view{number}")
        place = f"{where}, views {name!r}"
        refuse_unknown(item, {"name", "count", "size", "role", "steps"}, place, "a key of a view group")
        count = _COUNT.check(item.get("count", 1), place)
        groups.append(
            ViewGroup(
                str(name),
                count,
                read_steps(item.get("steps", []), place),
                _size(item.get("size"), place),
                item.get("role", "global"),
            )
        )
    return tuple(groups)


_MOVES_FRAME_BELOW = 0.5  # a crop of less than half the area no longer holds the centre each time


@dataclass(frozen=True)
class Conflict:
    """Two steps that undermine each other.

    Attributes:
        first, second: (number of the term, name of the transform), numbers from 0.
        sentence: what each of them asks for, and what to do.
    """

    first: tuple[int, str]
    second: tuple[int, str]
    sentence: str

    @property
    def within(self) -> bool:
        """Both are in one composition, where it cannot be both; in two terms the weights decide between them."""
        return self.first[0] == self.second[0]


def conflicts(compositions: Sequence[Composition]) -> list[Conflict]:
    """Every pair of steps that fight, those of one composition first.

    Args:
        compositions: of the terms, in their order.
    """
    steps = [(number, step) for number, one in enumerate(compositions) for step in _distinct(one)]
    found = [fight for a, b in combinations(steps, 2) if (fight := _conflict(a, b)) is not None]
    return sorted(found, key=lambda fight: not fight.within)


def _conflict(a: tuple[int, Step], b: tuple[int, Step]) -> Conflict | None:
    for one, other in ((a, b), (b, a)):
        said = _why(one[1], other[1])
        if said is None:
            continue
        if one[0] == other[0]:
            end = "Put them into two terms, each with its weight."
        else:
            end = "Both can be had: the weights say how much of each."
        return Conflict((one[0], one[1].transform), (other[0], other[1].transform), f"{said} {end}")
    return None


def _why(step: Step, other: Step) -> str | None:
    """What `step` and `other` ask for, if they fight; asked in one order only."""
    pair = (step.transform, other.transform)
    if pair == ("resized_crop", "center_crop"):
        part = "small " if step.settings["scale"][0] < _MOVES_FRAME_BELOW else ""
        return (
            f"The random crop makes {part}parts from anywhere agree, neighbours included; the centre crop keeps the "
            "middle and cuts the neighbours off."
        )
    if pair == ("random_erasing", "center_crop"):
        return "The erasing may take away the middle that the centre crop keeps."
    if pair == ("pad", "center_crop"):
        return "The padding makes the image smaller in its frame; the centre crop makes it larger again."
    if pair == ("pad", "resized_crop") and step.settings["fraction"][1] >= _MOVES_FRAME_BELOW:
        return "So much padding leaves the crop little but filling to choose from."
    if pair == ("grayscale", "hue_jitter") or (pair == ("grayscale", "color_jitter") and step.p >= 1 and _hue(other)):
        return "The colours that one step shifts, the other takes away." if step.p >= 1 else None
    return None


def _hue(step: Step) -> bool:
    return max(abs(v) for v in _pair(step.settings["hue"])) > 0


def _pair(value: object) -> tuple[float, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (float(str(value)),)


def _distinct(composition: Composition) -> Iterator[Step]:
    """Steps that can happen, one of each transform (two views of a term often have the same ones)."""
    seen: set[str] = set()
    for group in composition.views:
        for step in group.steps:
            for one in _unfolded(step):
                if one.enabled and one.p > 0 and one.transform not in seen:
                    seen.add(one.transform)
                    yield one


def _unfolded(step: Step) -> Iterator[Step]:
    if step.transform != "choice":
        yield step
        return
    if step.enabled and step.p > 0:
        for branch in step.branches:
            for inner in branch.steps:
                yield from _unfolded(inner)
