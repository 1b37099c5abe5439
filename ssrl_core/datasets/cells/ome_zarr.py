"""OME-Zarr folders (Zarr 2 and 3; NGFF 0.1 to 0.5): single images, image collections and plates. Read only.

The package zarr reads the arrays; it is imported when the first such folder is met, and asked for where it is missing.

Source:
    Moore et al. 2021, OME-NGFF; https://ngff.openmicroscopy.org (layout and attribute names).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ssrl_core.datasets.reading.archives import leads_out
from ssrl_core.datasets.reading.ome import Said, in_um, of_omero
from ssrl_core.datasets.reading.source import ZARR_HEADS
from ssrl_core.datasets.reading.tiff import MAX_VALUES, field_pixels
from ssrl_core.errors import DataError

Array = np.ndarray[Any, Any]
_OLD_AXES = ("t", "c", "z", "y", "x")  # of versions that do not name them


@dataclass(frozen=True)
class ZarrImage:
    """One image of a folder: a multi-scale group.

    Attributes:
        path: its group's folder.
        columns: plate, well, site, where it lies in a plate.
    """

    path: Path
    columns: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ZarrFacts:
    """What an image says of itself: time points, channels and what is said of them, pixel size, planes in depth."""

    fields: int
    channels: int
    said: Said
    pixel_um: float | None
    depth: int


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr group or array."""
    return path.is_dir() and any((path / name).is_file() for name in ZARR_HEADS)


@contextmanager
def _understood() -> Iterator[None]:
    """Metadata that are not what they should be raise all sorts where they are used: each is told as a DataError."""
    try:
        yield
    except (KeyError, IndexError, AttributeError, TypeError, ValueError) as error:
        raise DataError(f"its metadata are not those of OME-Zarr ({type(error).__name__}: {_said(error)})") from error


@_understood()
def images_in(path: Path, damaged: list[tuple[Path, str]] | None = None) -> list[ZarrImage]:
    """Every image of an OME-Zarr folder: of all wells of a plate, of a collection, or the one it is.

    Args:
        damaged: takes up the wells of a plate, or the images of a collection, that cannot be read, with their reasons;
            None = the first is raised.

    Raises:
        DataError: it says nothing of images; the message is the reason, without the folder's name.
    """
    said = _attributes(path)
    if "multiscales" in said:
        return [ZarrImage(path)]
    if "plate" in said:
        return _of_plate(path, said["plate"], damaged)
    if "well" in said:
        return _of_well(path, {})
    found = _of_collection(path, damaged)
    if not found and not damaged:
        raise DataError("it is a Zarr folder without the attributes of OME-Zarr (multiscales, plate or well)")
    return found


@_understood()
def zarr_facts(path: Path) -> ZarrFacts:
    """What an image holds, without reading pixels.

    Raises:
        DataError: it is no image of OME-Zarr, or the package zarr is missing.
    """
    path = _one_image(path)
    scales = _scales(path)
    array = _array(path, scales)
    sizes = dict(zip(_axes(scales), array.shape, strict=True))
    channels, omero = sizes.get("c", 1), _attributes(path).get("omero") or {}
    said = of_omero(omero.get("channels") or [], channels, np.dtype(array.dtype))
    return ZarrFacts(sizes.get("t", 1), channels, said, _pixel_um(scales), sizes.get("z", 1))


@_understood()
def read_zarr(path: Path, number: int = 0) -> Array:
    """One time point of an image at full resolution.

    Returns:
        (C, H, W) uint8 or uint16; depth is flattened to its maximum.

    Raises:
        DataError: it cannot be read; the message is the reason, without the folder's name.
    """
    path = _one_image(path)
    scales = _scales(path)
    axes, array = _axes(scales), _array(path, scales)
    sizes = dict(zip(axes, array.shape, strict=True))
    if not 0 <= number < sizes.get("t", 1):
        raise DataError(f"it has no field number {number}")
    if math.prod(array.shape) // sizes.get("t", 1) > MAX_VALUES:
        raise DataError(f"{'×'.join(map(str, array.shape))} values are too many for one field; cut it into pieces")
    values = _values(array, tuple(number if axis == "t" else slice(None) for axis in axes))
    left = [axis for axis in axes if axis != "t"]
    if "z" in left:
        values = values.max(axis=left.index("z"))
    planes = values if "c" in left else values[None]
    return field_pixels(planes)


def _of_plate(path: Path, plate: Mapping[str, Any], damaged: list[tuple[Path, str]] | None) -> list[ZarrImage]:
    found: list[ZarrImage] = []
    name = str(plate.get("name") or path.name.removesuffix(".zarr").removesuffix(".ome"))
    for well in plate.get("wells") or []:
        place = str(well.get("path", "")).strip("/")
        try:
            if not place or not is_zarr(_below(path, place)):
                continue
            with _understood():
                found += _of_well(path / place, {"plate": name, "well": _well_name(place)})
        except DataError as error:
            if damaged is None:
                raise DataError(f"well {place}: {error}") from error
            damaged.append((path / place, str(error)))
    return found


def _of_collection(path: Path, damaged: list[tuple[Path, str]] | None) -> list[ZarrImage]:
    """The images that a collection names (`OME/series`), else those in its numbered folders."""
    series = _attributes(path / "OME").get("series") or []
    found: list[ZarrImage] = []
    for name in series or sorted((p.name for p in path.iterdir() if p.name.isdigit()), key=int):
        place = path / "OME"  # where a bad name stands
        try:
            with _understood():
                place = _below(path, name)
                if "multiscales" in _attributes(place):
                    found.append(ZarrImage(place))
                elif series:
                    raise DataError("the collection names it, and it is no image of OME-Zarr (no multiscales)")
        except DataError as error:
            if damaged is None:
                raise DataError(f"image {name}: {error}") from error
            damaged.append((place, str(error)))
    return found


def _of_well(path: Path, columns: Mapping[str, Any]) -> list[ZarrImage]:
    images = (_attributes(path).get("well") or {}).get("images") or []
    return [
        ZarrImage(_below(path, image.get("path", "")), {**columns, "site": site})
        for site, image in enumerate(images, start=1)
    ]


def _below(path: Path, name: Any) -> Path:
    """What a folder's metadata name in it; they may come from anywhere, and name nothing else."""
    if leads_out(str(name)):
        raise DataError(f"it names {str(name)!r}, which lies outside it")
    return path / str(name)


def _well_name(place: str) -> str:
    """`B/3` -> B03, as other screens write it."""
    row, _, column = place.partition("/")
    return f"{row}{int(column):02d}" if column.isdigit() else place.replace("/", "")


def _one_image(path: Path) -> Path:
    """The image itself, or the only one of a collection."""
    found = images_in(path)
    if len(found) > 1:
        raise DataError(
            f"it holds {len(found)} images; give the folder itself, or name one of them ({found[0].path.name})"
        )
    return found[0].path


def _attributes(path: Path) -> dict[str, Any]:
    """The attributes of a group: `zarr.json` (Zarr 3, those of OME under `ome`) or `.zattrs` (Zarr 2)."""
    for name in ("zarr.json", ".zattrs"):
        try:
            found = json.loads((path / name).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError) as error:
            raise DataError(f"its {name} cannot be read ({error})") from error
        said = (found.get("attributes") or {}) if name == "zarr.json" else found
        ome = said.get("ome")
        return dict(ome if isinstance(ome, dict) else said)
    return {}


def _scales(path: Path) -> dict[str, Any]:
    """The first multi-scale image of a group."""
    found = _attributes(path).get("multiscales")
    if not found or not found[0].get("datasets"):
        raise DataError("it is a Zarr folder without an image (no multiscales)")
    return dict(found[0])


def _axes(scales: Mapping[str, Any]) -> tuple[str, ...]:
    said = scales.get("axes") or _OLD_AXES
    axes = tuple(str(axis["name"] if isinstance(axis, Mapping) else axis).lower() for axis in said)
    if axes[-2:] != ("y", "x") or not set(axes) <= set(_OLD_AXES):
        raise DataError(f"its axes are {', '.join(axes)}; axes t, c, z, y, x are read")
    return axes


def _array(path: Path, scales: Mapping[str, Any]) -> Any:
    """The array of full resolution."""
    zarr = _package()
    place = _below(path, scales["datasets"][0]["path"])
    try:
        array = zarr.open_array(str(place), mode="r")
    except Exception as error:  # zarr raises its own, ValueError, KeyError, OSError on what is no array
        raise DataError(f"its array {place.name} cannot be opened ({_said(error)})") from error
    if array.ndim != len(_axes(scales)):
        raise DataError(f"its array has {array.ndim} axes where {len(_axes(scales))} are named")
    return array


def _values(array: Any, chosen: tuple[Any, ...]) -> Array:
    try:
        values: Array = np.asarray(array[chosen])
        return values
    except Exception as error:  # a missing codec, a truncated chunk: each package raises its own
        raise DataError(f"the image is damaged ({_said(error)})") from error


def _package() -> Any:
    try:
        import zarr
    except ImportError as error:
        raise DataError(
            "OME-Zarr is read by the package zarr, which is not installed; run: pip install zarr"
        ) from error
    return zarr


def _pixel_um(scales: Mapping[str, Any]) -> float | None:
    """Width of a pixel at full resolution: the scale of x, if its unit is a length."""
    axes = scales.get("axes") or []
    unit = axes[-1].get("unit") if axes and isinstance(axes[-1], Mapping) else None
    size = 1.0
    steps = [*(scales["datasets"][0].get("coordinateTransformations") or [])]
    steps += scales.get("coordinateTransformations") or []
    scaled = [step["scale"] for step in steps if step.get("type") == "scale" and step.get("scale")]
    for scale in scaled:
        size *= float(scale[-1])
    return in_um(size, str(unit)) if scaled and unit else None


def _said(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:160]
