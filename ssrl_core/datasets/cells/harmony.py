"""Fields from the index that Harmony writes beside its images (`Index.idx.xml`, `Index.xml`): Opera, Operetta."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from defusedxml import ElementTree

from ssrl_core.datasets.cells.field_names import row_letters
from ssrl_core.datasets.cells.fields import FieldRow
from ssrl_core.datasets.columns import natural_key
from ssrl_core.datasets.reading.ome import tag
from ssrl_core.errors import DataError

INDEXES = ("index.idx.xml", "index.xml")
_MOST_BYTES = 2_000_000_000


class HarmonyIndex:
    """What an index says.

    Attributes:
        fields: every field whose files are there, for each channel its planes in order.
        channels: their names, by their number.
        pixel_um: size of a pixel, if it is said.
        skipped: what is not whole: {file, reason}.
        notes: what is said of all of it.

    Raises:
        DataError: it cannot be read, or is no index.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.skipped = path, list[dict[str, str]]()
        found = _parsed(path)
        plates = [_said(plate, "Name") for plate in found if tag(plate) == "Plate"]
        images = [image for image in found if tag(image) == "Image" and _said(image, "URL")]
        if not images:
            raise DataError(f"{path}: this is no index of Harmony: it names no images. Export the measurement again.")
        states = [_said(image, "State") or "Ok" for image in images]
        measured = [image for image, state in zip(images, states, strict=True) if state == "Ok"]
        bad = [(image, state) for image, state in zip(images, states, strict=True) if state != "Ok"]
        self.skipped += [{"file": _said(image, "URL"), "reason": f"its state is {state}"} for image, state in bad]
        self.channels = _channels(measured)
        size = next((float(text) for image in measured if (text := _said(image, "ImageResolutionX"))), 0.0)
        self.pixel_um = size * 1e6 if 0 < size < 1e-3 else None
        plate = next((name for name in plates if name), path.parent.parent.name)
        self.fields = list(self._fields(measured, plate))
        planes = max((len(files) for row in self.fields for files in row.files), default=1)
        self.notes = [f"{path.name} of Harmony names the files"]
        self.notes += [f"up to {planes} planes of a field are flattened to their maximum"] if planes > 1 else []

    def _fields(self, images: list[Element], plate: str) -> Iterator[FieldRow]:
        groups: dict[tuple[int, ...], dict[str, list[tuple[int, Path]]]] = {}
        for image in images:
            key = tuple(_whole(image, name) for name in ("Row", "Col", "FieldID", "TimepointID"))
            file = self.path.parent / Path(_said(image, "URL").replace("\\", "/")).name
            own = groups.setdefault(key, {}).setdefault(_said(image, "ChannelID") or "1", [])
            own.append((_whole(image, "PlaneID"), file))
        times = len({key[3] for key in groups})
        for key, files in sorted(groups.items()):
            row, column, site, time = key
            absent = [self.channels[number] for number in self.channels if number not in files]
            gone = next((f for planes in files.values() for _, f in planes if not f.is_file()), None)
            columns: dict[str, Any] = {"plate": plate, "well": f"{row_letters(row)}{column:02d}", "site": site}
            columns |= {"time_point": time} if times > 1 else {}
            if absent or gone is not None:
                reason = "there is no such file" if gone else f"its field has no file for channel {', '.join(absent)}"
                first = gone or next(iter(files.values()))[0][1]
                self.skipped.append({"file": first.name, "reason": reason})
                continue
            yield FieldRow(tuple(tuple(f for _, f in sorted(files[n])) for n in self.channels), columns=columns)


def index_of(folder: Path) -> Path | None:
    """The index of a folder of Harmony (in it, or in its `Images`), if there is one."""
    for place in (folder, folder / "Images"):
        if place.is_dir():
            for path in sorted(place.iterdir()):
                if path.name.lower() in INDEXES:
                    return path
    return None


def _parsed(path: Path) -> list[Element]:
    """All elements of an index.

    Raises:
        DataError: no XML, or one that names entities.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("it is too large")
        return list(ElementTree.parse(path).iter())
    except (OSError, ValueError, ElementTree.ParseError) as error:
        raise DataError(f"{path}: the index cannot be read ({error!r}). Export the measurement again.") from error


def _said(element: Element, name: str) -> str:
    """The text of a child, "" where there is none."""
    child = next((child for child in element if tag(child) == name), None)
    return (child.text or "").strip() if child is not None else ""


def _whole(image: Element, name: str) -> int:
    text = _said(image, name)
    return int(text) if text.isdigit() else 0


def _channels(images: list[Element]) -> dict[str, str]:
    """Number -> name of the channels that every index names; a name twice gets its number."""
    named = {_said(image, "ChannelID") or "1": _said(image, "ChannelName") for image in images}
    numbers = sorted(named, key=natural_key)
    names = [named[number] or f"ch{number}" for number in numbers]
    return {
        number: name if names.count(name) == 1 else f"{name}-{number}"
        for number, name in zip(numbers, names, strict=True)
    }
