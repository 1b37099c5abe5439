"""What microscope and camera make of the light: blur, haze, uneven lighting, shot noise, read-out noise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ssrl_core.datasets.made.simulation.chance import Chance

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Camera:
    """A microscope with its camera.

    Attributes:
        pixel_um: size of a pixel in the sample.
        photons: (DNA, actin, tubulin) at light 1 in one pixel.
        background: photons everywhere (medium, plastic), per channel.
        haze: share of the light that comes from out of focus, spread over `haze_um`.
        sharp_um: sd of the blur in best focus; `defocus_um` adds 0.22 µm for every µm.
        shading: how much darker the corners are than the middle.
        read_noise: sd of the camera's own noise, photons.
        offset, gain: grey values = offset + gain × photons.
        bits: largest grey value is 2**bits - 1.
    """

    pixel_um: float = 0.32
    photons: tuple[float, float, float] = (420.0, 430.0, 230.0)
    background: tuple[float, float, float] = (16.0, 14.0, 18.0)
    haze: float = 0.16
    haze_um: float = 5.0
    sharp_um: float = 0.3
    shading: float = 0.22
    read_noise: float = 4.0
    offset: float = 100.0
    gain: float = 4.0
    bits: int = 16
    tilt: tuple[float, float] = field(default=(0.35, -0.2))  # where the lamp's bright spot lies, -1..1

    @property
    def top(self) -> int:
        """The largest grey value."""
        result: int = 2**self.bits - 1
        return result


def lighting(camera: Camera, x: Array, y: Array) -> Array:
    """How bright the lamp is at places of a field, 1 at its brightest.

    Args:
        x, y: -1..1 from the field's left to right, top to bottom.
    """
    tx, ty = camera.tilt
    return (1 - camera.shading * ((x - 0.3 * tx) ** 2 + (y - 0.3 * ty) ** 2) / 2).astype(np.float32)


def photograph(light: Array, camera: Camera, lamp: Array, defocus_um: Array, stain: Array, chance: Chance) -> Array:
    """Pictures as the camera delivers them.

    Args:
        light: (S, C, H, W) float32; overwritten.
        lamp: (S, H, W) lighting of each pixel.
        defocus_um: (S,) how far from best focus.
        stain: (S, C) brightness of the staining, a factor.

    Returns:
        (S, C, H, W) uint8 (at most 8 bits) or uint16.
    """
    for s in range(len(light)):
        sd_um = float(np.hypot(camera.sharp_um, 0.22 * defocus_um[s]))
        for c in range(light.shape[1]):
            light[s, c] = _blurred(light[s, c], sd_um, camera)
    photons, background = np.array(camera.photons, np.float32), np.array(camera.background, np.float32)
    light *= (photons * stain).astype(np.float32)[:, :, None, None]
    light += background[:, None, None]
    light *= lamp[:, None]
    noise = np.sqrt(light + np.float32(camera.read_noise**2))
    noise *= chance.grain(*light.shape)
    light += noise
    light *= np.float32(camera.gain)
    light += np.float32(camera.offset)
    np.rint(light, out=light)
    return np.clip(light, 0, camera.top).astype(np.uint8 if camera.bits <= 8 else np.uint16)


def _blurred(image: Array, sd_um: float, camera: Camera) -> Array:
    from scipy.ndimage import gaussian_filter, zoom

    sharp = gaussian_filter(image, sd_um / camera.pixel_um, mode="nearest", truncate=3)
    step = max(1, int(camera.haze_um / camera.pixel_um / 2))
    small = image[: image.shape[0] // step * step, : image.shape[1] // step * step]
    small = small.reshape(small.shape[0] // step, step, -1, step).mean(axis=(1, 3))
    wide = gaussian_filter(small, camera.haze_um / camera.pixel_um / step, mode="nearest", truncate=3)
    factors = (image.shape[0] / wide.shape[0], image.shape[1] / wide.shape[1])
    haze: Array = zoom(wide, factors, order=1, mode="nearest", grid_mode=True)
    result: Array = (1 - camera.haze) * sharp + camera.haze * haze
    return result
