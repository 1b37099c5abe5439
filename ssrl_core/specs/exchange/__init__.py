"""Compositions to and from other people's formats; what a format cannot say is refused by the name of the step."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from ssrl_core.errors import SpecError
from ssrl_core.specs.composition import Composition, dump, parse
from ssrl_core.specs.exchange import solo_learn, torchvision_code


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        name: as `--to` takes it.
        suffix: of its files, with the dot.
        sentence: what it is for.
        write: a composition as text; the second argument is the side for views that have none of their own.
    """

    name: str
    title: str
    suffix: str
    sentence: str
    write: Callable[[Composition, int | None], str]


@dataclass(frozen=True)
class Imported:
    """A composition from a file, the format that it was in, and what the reader should know."""

    composition: Composition
    format: str
    notes: list[str] = field(default_factory=list)


FORMATS: dict[str, Format] = {
    row.name: row
    for row in (
        Format("viewloom", "Viewloom (YAML)", ".yaml", "Everything, byte for byte.", lambda c, side: dump(c)),
        Format(
            "json",
            "Viewloom (JSON)",
            ".json",
            "The same as JSON.",
            lambda c, side: json.dumps(c.to_mapping(), indent=2, ensure_ascii=False) + "\n",
        ),
        Format(
            "torchvision",
            "torchvision v2 (Python)",
            ".py",
            "Code that runs with torchvision alone.",
            torchvision_code.write,
        ),
        Format("solo-learn", "solo-learn (YAML)", ".yaml", "The augmentations file of solo-learn.", solo_learn.write),
    )
}


def export(composition: Composition, to: str, *, side: int | None = None) -> str:
    """The composition as text of a format.

    Args:
        to: a name of `FORMATS`.
        side: of the views in px, for formats that must name one where the composition does not.

    Raises:
        SpecError: an unknown format, or a step that the format cannot say.
    """
    if to not in FORMATS:
        raise SpecError.at("Export", "format", "one of " + ", ".join(FORMATS), to, "Choose one of these.")
    return FORMATS[to].write(composition, side)


def read(text: str | bytes, where: str, name: str) -> Imported:
    """A composition from a file of ours or of solo-learn; the format is told by what is in it.

    Args:
        where: what the text is, for messages.
        name: of the composition, where the format has none.

    Raises:
        SpecError: naming the entry and the rule.
    """
    if solo_learn.recognised(text, where):
        return Imported(*solo_learn.read(text, where, name))
    composition = parse(text, where)
    ours = (text if isinstance(text, bytes) else text.encode()) in [
        FORMATS[known].write(composition, None).encode() for known in ("viewloom", "json")
    ]
    notes = [] if ours else ["Comments and layout of the file are not kept; defaults are written out."]
    return Imported(composition, "viewloom", notes)
