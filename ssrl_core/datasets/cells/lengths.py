"""Lengths in µm, whatever unit a file gives them in."""

from __future__ import annotations

_UNITS = {
    "µm": 1.0,
    "μm": 1.0,  # the Greek letter
    "um": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "micrometre": 1.0,
    "\\u00b5m": 1.0,  # as ImageJ writes it
    "nm": 1e-3,
    "nanometer": 1e-3,
    "nanometre": 1e-3,
    "mm": 1e3,
    "millimeter": 1e3,
    "millimetre": 1e3,
    "cm": 1e4,
    "centimeter": 1e4,
    "centimetre": 1e4,
    "m": 1e6,
    "meter": 1e6,
    "metre": 1e6,
}


def in_um(size: float, unit: str) -> float | None:
    """A length in µm; None where the unit is no length, or the length is not above 0."""
    factor = _UNITS.get(unit.strip())
    return size * factor if factor is not None and size > 0 else None
