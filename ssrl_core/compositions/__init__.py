"""What a composition makes of images: draws, views, one module a transform, compiled kernels, LPIPS."""

from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]
"""An array of numbers; shape and type are said where it is used."""
