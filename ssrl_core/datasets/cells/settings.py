"""How nuclei are found and which cells are kept: every number that an import can be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from ssrl_core.datasets.cells.detectors import NAMES
from ssrl_core.errors import SpecError


@dataclass(frozen=True)
class NucleusSettings:
    """How nuclei are found in the DNA channel.

    Attributes:
        diameter_px: usual diameter of a nucleus; None = measured from the images.
        detector: threshold = as below | cellpose, stardist = that package, if it is installed; of the settings below
            `smallest` and `largest` hold for them, too.
        threshold: otsu = one level for the field (on the logarithm, so that bright mitotic cells do not hide the
            others) | local = a level for each neighbourhood, for fields whose background is uneven.
        sensitivity: above 1 finds dimmer nuclei, below 1 only clear ones.
        smoothing: sd of the blur before thresholding, in diameters.
        splitting: how narrow a waist separates two nuclei, as a share of the smaller one's half width; towards 1 splits
            more.
        smallest, largest: area of what counts as a nucleus, in areas of a disc of the usual diameter.
    """

    diameter_px: float | None = None
    threshold: str = "otsu"
    sensitivity: float = 1.0
    smoothing: float = 0.06
    splitting: float = 0.73
    smallest: float = 0.15
    largest: float = 6.0
    detector: str = "threshold"

    def checked(self) -> NucleusSettings:
        """Itself.

        Raises:
            SpecError: a value out of its range.
        """
        _check("diameter_px", "a number of 3 to 2,000 px", self.diameter_px, 3, 2000, none=True)
        if self.detector not in NAMES:
            raise SpecError.at("cells", "detector", f"one of {', '.join(NAMES)}", self.detector)
        if self.threshold not in ("otsu", "local"):
            raise SpecError.at("cells", "threshold", "otsu or local", self.threshold)
        _check("sensitivity", "in 0.1..10", self.sensitivity, 0.1, 10)
        _check("smoothing", "in 0..0.5", self.smoothing, 0, 0.5)
        _check("splitting", "in 0..1", self.splitting, 0, 1)
        _check("smallest", "in 0..1", self.smallest, 0, 1)
        _check("largest", "in 1..1000", self.largest, 1, 1000)
        return self


@dataclass(frozen=True)
class CellSettings:
    """What is cut out of a field, and which crops are left out.

    Attributes:
        nuclei: see NucleusSettings.
        size: side of the crops, px.
        span_um: side of the crops in µm, for images whose pixel size is known: they are cut this large and brought to
            `size`.
        pixel_um: size of a pixel, where the files do not say it.
        keep_border: cells whose crop would leave the field are kept, with 0 outside; else they are dropped.
        focus_limit: a nucleus whose edge is wider than this share of the usual diameter is out of focus; None = keep
            all.
        contrast_limit: a nucleus less than this many times the noise above its surroundings is empty; None = keep all.
        saturated_limit: largest share of a crop's pixels that may be at the top of the range; None = keep all.
        illumination: plate = uneven lighting is measured for each plate and channel and divided out | none.
        normalise: none = grey values as they are | plate = each channel of each plate stretched between the percentiles
            0.1 and 99.9 of its fields (of the untreated ones where a column says so), to the full range.
        per_field: at most so many cells of a field, chosen by seed; None = all.
        seed: decides that choice.
    """

    nuclei: NucleusSettings = NucleusSettings()
    size: int = 196
    span_um: float | None = None
    pixel_um: float | None = None
    keep_border: bool = False
    focus_limit: float | None = 0.33
    contrast_limit: float | None = 5.0
    saturated_limit: float | None = 0.02
    illumination: str = "plate"
    normalise: str = "none"
    per_field: int | None = None
    seed: int = 5

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any]) -> CellSettings:
        """Settings from plain values; `nuclei` is a mapping too.

        Raises:
            SpecError: an unknown name, or a value out of its range.
        """
        values = dict(given)
        nuclei = values.pop("nuclei", {})
        for kind, names, asked in ((NucleusSettings, "cells nuclei", nuclei), (cls, "cells", values)):
            known = {f.name for f in fields(kind)}
            for name in asked:
                if name not in known:
                    raise SpecError.at(names, "a setting", f"one of {', '.join(sorted(known))}", name)
        return cls(nuclei=NucleusSettings(**nuclei), **values).checked()

    def to_mapping(self) -> dict[str, Any]:
        """Plain values, all of them."""
        return asdict(self)

    def checked(self) -> CellSettings:
        """Itself.

        Raises:
            SpecError: a value out of its range.
        """
        self.nuclei.checked()
        _check("size", "a whole number of 8 to 2,048 px", self.size, 8, 2048, whole=True)
        _check("span_um", "a number of µm above 0", self.span_um, 0.01, 1e5, none=True)
        _check("pixel_um", "a number of µm above 0", self.pixel_um, 1e-4, 1e4, none=True)
        _check("focus_limit", "above 0, or none", self.focus_limit, 1e-3, 1e3, none=True)
        _check("contrast_limit", "0 or more, or none", self.contrast_limit, 0, 1e6, none=True)
        _check("saturated_limit", "in 0..1, or none", self.saturated_limit, 0, 1, none=True)
        _check("per_field", "a whole number from 1 on, or none", self.per_field, 1, 10**9, none=True, whole=True)
        _check("seed", "a whole number from 0 on", self.seed, 0, 2**63, whole=True)
        for name, value in (("illumination", self.illumination), ("normalise", self.normalise)):
            if value not in ("plate", "none"):
                raise SpecError.at("cells", name, "plate or none", value)
        return self


@dataclass(frozen=True)
class CellOptions:
    """What an import of cells is told.

    Attributes:
        settings: how nuclei are found and cut.
        nuclei: the channel that holds the nuclei; None = the first.
        channels: which channels, in which order; None = all.
        where: column -> values: only these fields.
        pattern: how the files of a folder are named (`{well}_s{site}_{channel}.tif`); None = as a microscope does.
        label: the column that is the truth; None = `compound` if the fields have it.
        group: a column no value of which may be in two splits (`well`, `plate`); None = wells, where they are known;
            `none` = nothing.
        seed: decides order and split.
        title: the name for people; None = the image set's name.
        max_value: the pixel value that stands for 1; None = the bits that the cells use (8, 10, 12, 14 or 16).
    """

    settings: CellSettings = CellSettings()
    nuclei: str | None = None
    channels: Sequence[str] | None = None
    where: Mapping[str, Sequence[Any]] | None = None
    pattern: str | None = None
    label: str | None = None
    group: str | None = None
    seed: int = 5
    title: str | None = None
    max_value: int | None = None


def _check(
    name: str, rule: str, value: Any, low: float, high: float, *, none: bool = False, whole: bool = False
) -> None:
    if value is None and none:
        return
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        raise SpecError.at("cells", name, rule, value)
