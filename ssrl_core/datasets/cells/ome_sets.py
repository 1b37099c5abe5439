"""OME-TIFF of several files: the metadata of one (or of all, or of a companion file) say which plane lies in which.

Source:
    OME-TIFF specification, files of a set; BinaryOnly MetadataFile.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ssrl_core.datasets.cells.field_files import ome_text
from ssrl_core.datasets.cells.fields import FieldRow
from ssrl_core.datasets.imageset import Channel
from ssrl_core.datasets.readers.channel_facts import Said, of_ome_xml, told
from ssrl_core.datasets.readers.ome_planes import Planes, planes_in

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
