"""Fields of files that hold all channels of a field, and of sets of OME-TIFF files that lie beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ssrl_core.datasets.cells.field_files import FileFacts, file_facts
from ssrl_core.datasets.cells.field_tables import channel_names, looks, narrowed
from ssrl_core.datasets.cells.fields import FieldList, FieldRow, why
from ssrl_core.datasets.cells.ome_sets import OmeSets, ome_sets
from ssrl_core.errors import DataError

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
