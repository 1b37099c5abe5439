"""Fields as files or an index beside them say: files that hold all channels, sets of OME-TIFF, Harmony's index.

Of a set of OME-TIFF files, the metadata of one (or of all, or of a companion file) say which plane lies in which.
Harmony (Opera, Operetta) writes `Index.idx.xml` or `Index.xml` beside its images.

Source:
    OME-TIFF specification, files of a set; BinaryOnly MetadataFile.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from defusedxml import ElementTree

from ssrl_core.datasets.cells.field_names import row_letters
from ssrl_core.datasets.cells.field_tables import channel_names, looks, narrowed
from ssrl_core.datasets.cells.fields import FieldList, FieldRow, FileFacts, file_facts, ome_text
from ssrl_core.datasets.columns import natural_key
from ssrl_core.datasets.imageset import Channel
from ssrl_core.datasets.reading.ome import Planes, Said, of_ome_xml, planes_in, tag, told
from ssrl_core.datasets.reading.source import why
from ssrl_core.errors import DataError

_COMPANIONS = (".companion.ome", ".ome.xml")


@dataclass
class OmeSets:
    """Fields whose channels are spread over files.

    Attributes:
        rows: the fields; every channel has files of its own.
        channels: what is said of the channels, one each.
        files: all that belong to such fields.
        skipped: fields that lack a file: {file, reason}.
    """

    rows: list[FieldRow] = field(default_factory=list)
    channels: tuple[Channel, ...] = ()
    files: set[Path] = field(default_factory=set)
    skipped: list[dict[str, str]] = field(default_factory=list)


def ome_sets(paths: Sequence[Path]) -> OmeSets:
    """The fields of several files that some OME-TIFF files, or companion files beside them, describe."""
    found, settled = OmeSets(), set[Path]()
    for path in _with_companions(paths):
        text = ome_text(path) if path not in settled else ""  # what one says, the others it names say too
        said, described = of_ome_xml(text), False
        for planes in planes_in(text, path):
            described = True
            names = {file for file, _ in planes.values()}
            if not names & settled and len(names) > 1 and _spread(planes):
                found.files |= names
                _take(found, planes, told(said, 1 + max(c for c, _, _ in planes)))
        settled |= {path, *_named(text, path)} if described else set()
    return found


def _take(found: OmeSets, planes: Planes, said: Said) -> None:
    """Add the fields of one image, one for each time point; one that lacks a file or a channel is skipped."""
    count = 1 + max(c for c, _, _ in planes)
    reason = _trouble(planes, count, len(found.channels) or count)
    if reason:
        first = next((file for file, _ in planes.values() if file.is_file()), next(iter(planes.values()))[0])
        found.skipped.append({"file": str(first), "reason": reason})
        return
    found.channels = found.channels or said or tuple(Channel("", "") for _ in range(count))
    times = _times(planes)
    for t, own in sorted(_by_time(planes).items()):
        files = tuple(_of_channel(own, c) for c in range(count))
        held = times.get(files[0][0], {})
        found.rows.append(FieldRow(files, None, held.get(t, 0), max(1, len(held))))


def _by_time(planes: Planes) -> dict[int, Planes]:
    found: dict[int, Planes] = {}
    for place, where in planes.items():
        found.setdefault(place[2], {})[place] = where
    return found


def _times(planes: Planes) -> dict[Path, dict[int, int]]:
    """For each file of the first channel: its time points, and which of its fields each of them is."""
    found: dict[Path, dict[int, int]] = {}
    for (c, z, t), (file, _) in sorted(planes.items()):
        if c == z == 0:
            held = found.setdefault(file, {})
            held[t] = len(held)
    return found


def _trouble(planes: Planes, count: int, usual: int) -> str:
    """Why an image is no field, or ""."""
    missing = next((file.name for _, (file, _) in sorted(planes.items()) if not file.is_file()), "")
    if missing:
        return f"its planes lie in {missing} too, which is not there"
    if count != usual:
        return f"it has {count} channels where the others have {usual}"
    named, times = {(c, t) for c, _, t in planes}, {t for _, _, t in planes}
    absent = next((c for c in range(count) if any((c, t) not in named for t in times)), None)
    return "" if absent is None else f"its metadata name no plane of channel {absent + 1}"


def _named(text: str, path: Path) -> set[Path]:
    """All files that a document names."""
    return {path.parent / Path(name.replace("\\", "/")).name for name in re.findall(r'FileName="([^"]+)"', text)}


def _of_channel(planes: Planes, channel: int) -> tuple[Path, ...]:
    """The files of one channel, in order of depth."""
    return tuple(dict.fromkeys(file for (c, _, _), (file, _) in sorted(planes.items()) if c == channel))


def _spread(planes: Planes) -> bool:
    """Whether no file holds planes of two channels (else each file is a field by itself)."""
    channels: dict[Path, set[int]] = {}
    for (c, _, _), (file, _) in planes.items():
        channels.setdefault(file, set()).add(c)
    return all(len(of_file) == 1 for of_file in channels.values())


def _with_companions(paths: Sequence[Path]) -> Iterable[Path]:
    """The OME-TIFF files, and what lies beside them and describes them."""
    named = [path for path in paths if ".ome." in path.name.lower() and path.is_file()]
    yield from named
    for folder in dict.fromkeys(path.parent for path in paths if path.is_file()):
        yield from sorted(p for p in folder.iterdir() if p.name.lower().endswith(_COMPANIONS))


_RGB = ("red", "green", "blue")
_Known = Sequence[tuple[Path, FileFacts]]


def fields_of_files(
    paths: Sequence[Path],
    base: Path,
    where: str,
    channels: Sequence[str] | None,
    nuclei: str | None,
    *,
    columns: Mapping[Path, Mapping[str, Any]] | None = None,
    skipped: Sequence[dict[str, str]] = (),
) -> FieldList:
    """Files each of which holds one field or several, with all its channels, and what is known of them.

    Where they differ in the number of channels, the most frequent number decides; the others are skipped.

    Raises:
        DataError: not one holds a field.
        SpecError: a channel that is not there.
    """
    listed = FieldList([], (), 0, where, base, skipped=list(skipped))
    sets = ome_sets(paths)
    known = _known(listed, [path for path in paths if path not in sets.files])
    listed.skipped += [{**item, "file": listed.shown(Path(item["file"]))} for item in sets.skipped]
    usual = _usual(listed, sets, known)
    heads = [*_add_sets(listed, sets, usual), *_add_files(listed, known, usual, columns or {})]
    first = next((facts for facts in heads if facts.names), heads[0])
    picture = usual == 3 and not first.said and not first.guessed and first.pixel_um is None
    listed.channels = _RGB if picture else channel_names(first)
    listed.looks = looks(listed.channels, first)
    listed.pixel_um = first.pixel_um
    listed.notes += _notes(heads)
    return narrowed(listed, channels, nuclei)


def said_pixel(fields: Sequence[FieldRow]) -> float | None:
    """The pixel size in µm that the first readable file of the first three fields says."""
    for row in fields[:3]:
        try:
            return file_facts(row.files[0][0]).pixel_um
        except (OSError, DataError):
            continue
    return None


def _known(listed: FieldList, paths: Sequence[Path]) -> _Known:
    """The files that can be read; the others are skipped with the reason."""
    known = []
    for path in paths:
        try:
            known.append((path, file_facts(path)))
        except (OSError, DataError) as error:
            listed.skipped.append({"file": listed.shown(path), "reason": why(error)})
    return known


def _usual(listed: FieldList, sets: OmeSets, known: _Known) -> int:
    """How many channels most fields have; of numbers as frequent, that of the sets."""
    counts = Counter({len(sets.channels): len(sets.rows)} if sets.rows else {})
    counts.update(facts.channels for _, facts in known)
    if not counts:
        shown = "; ".join(f"{item['file']}: {item['reason']}" for item in listed.skipped[:3])
        if sets.skipped:
            raise DataError(
                f"{listed.where}: not one of its fields is whole ({shown}). Lay the missing files beside them."
            )
        raise DataError(
            f"{listed.where}: not one image in it can be read ({shown}). Give TIFF files, or a table of fields."
        )
    return counts.most_common(1)[0][0]


def _add_sets(listed: FieldList, sets: OmeSets, usual: int) -> list[FileFacts]:
    """Add the fields whose channels are spread over OME-TIFF files; what is said of them, if they are taken."""
    if not sets.rows:
        return []
    if len(sets.channels) != usual:
        reason = f"it has {len(sets.channels)} channels where the others have {usual}"
        files = dict.fromkeys(row.files[0][0] for row in sets.rows)
        listed.skipped += [{"file": listed.shown(path), "reason": reason} for path in files]
        return []
    listed.fields += sets.rows
    listed.notes.append("channels were put together from several OME-TIFF files, as one of them says")
    return [FileFacts(len(sets.rows), usual, sets.channels, said_pixel(sets.rows))]


def _add_files(
    listed: FieldList, known: _Known, usual: int, columns: Mapping[Path, Mapping[str, Any]]
) -> list[FileFacts]:
    """Add the fields that lie in one file each, or several in one; what the files that are taken say."""
    for path, facts in known:
        if facts.channels != usual:
            reason = f"it has {facts.channels} channels where the others have {usual}"
            listed.skipped.append({"file": listed.shown(path), "reason": reason})
            continue
        every, own = tuple(range(usual)), columns.get(path, {})
        listed.fields += [FieldRow(((path,),), every, number, facts.fields, own) for number in range(facts.fields)]
        for count in facts.left_out:
            reason = f"one of its series has {count} channel{'s' * (count > 1)} where the first has {usual}"
            listed.skipped.append({"file": listed.shown(path), "reason": reason})
    return [facts for _, facts in known if facts.channels == usual]


def _notes(heads: Sequence[FileFacts]) -> list[str]:
    notes = []
    if any(facts.guessed == "channels" for facts in heads):
        notes.append("pages of plain TIFF files were taken for channels")
    deep = sum(facts.depth > 1 for facts in heads)
    if deep:
        notes.append(f"the depth of {deep} files was flattened to its maximum")
    return notes


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
