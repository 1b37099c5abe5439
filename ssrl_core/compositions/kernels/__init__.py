"""Compiled loops over the pixels of one image, for the CPU. The torch functions beside them say the same slowly.

Every kernel releases the GIL and uses one thread (pieces of the work run side by side, `views.each`). Kernels
are compiled on first use, one type each, and kept in the store for the next process. None may depend on the neighbours
in a batch.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

from ssrl_core import stores

stores.prepare_caches()  # before numba is imported: it would write beside the sources, or fail

import numba  # noqa: E402
import numpy as np  # noqa: E402
from numba import config  # noqa: E402

from ssrl_core.compositions import Array  # noqa: E402

config.CACHE_DIR = os.environ["NUMBA_CACHE_DIR"]  # type: ignore[attr-defined]  # another package may have imported numba before

F = TypeVar("F", bound=Callable[..., Any])

ZERO, ONE, HALF = np.float32(0.0), np.float32(1.0), np.float32(0.5)
"""float32 numbers: a literal in a kernel would be float64, and half as fast."""


_jit = cast(Any, numba.njit)  # its stubs do not know every option
_ALWAYS = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}  # nobody calls them from C


def kernel(function: F) -> F:
    """A compiled function whose sums keep their order (a multiplication and an addition may become one)."""
    return cast(F, _jit(cache=True, fastmath={"contract"}, **_ALWAYS)(function))


def part(function: F) -> F:
    """A compiled function that only kernels call, never Python; it is kept on disk within them."""
    return cast(F, _jit(fastmath={"contract"}, no_cpython_wrapper=True, **_ALWAYS)(function))


def summing(function: F) -> F:
    """A part whose sums are taken in several lanes; the same for an image wherever it stands."""
    flags = {"contract", "reassoc", "nsz"}
    return cast(F, _jit(fastmath=flags, no_cpython_wrapper=True, **_ALWAYS)(function))


def plain(values: Any, dtype: Any) -> Array:
    """A writeable array in C order: kernels are compiled for this kind only."""
    return np.array(values, dtype=dtype, order="C", copy=True)
