"""A `pixels.npy` written chunk by chunk, while the number of images is not yet known.

Memory holds one chunk. The header has a fixed length and is written last, when the count is known.
"""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from ssrl_core.errors import DataError

DTYPES = ("uint8", "uint16")
_HEADER = 128


class PixelFile:
    """An .npy file of (N, C, H, W) uint8 or uint16 that grows.

    Args:
        path: the file; its folder exists.

    Attributes:
        count: images written so far.
        shape: (C, H, W) of the first chunk; later chunks must have it too.
        digest: sha256 over the pixels, in order.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.shape: tuple[int, int, int] | None = None
        self.dtype: str = ""
        self.digest = hashlib.sha256()
        self._file: BinaryIO | None = None
        self._beside = ThreadPoolExecutor(1)

    def __enter__(self) -> PixelFile:
        self._file = open(self.path, "wb")
        self._file.write(b"\0" * _HEADER)
        return self

    def append(self, chunk: np.ndarray[Any, Any]) -> None:
        """Write (n, C, H, W) images at the end.

        Raises:
            DataError: another dtype or shape than uint8|uint16 and the chunks before.
        """
        if chunk.ndim != 4 or chunk.dtype.name not in DTYPES:
            raise DataError(
                where=f"image set {self.path.parent.name!r}",
                field="pixels",
                rule="(N, C, H, W) uint8 or uint16",
                value=f"{chunk.shape} {chunk.dtype}",
            )
        shape = (int(chunk.shape[1]), int(chunk.shape[2]), int(chunk.shape[3]))
        if self.shape is None:
            self.shape, self.dtype = shape, chunk.dtype.name
        if (shape, chunk.dtype.name) != (self.shape, self.dtype):
            raise DataError(
                where=f"image set {self.path.parent.name!r}",
                field="pixels",
                rule=f"of one shape, {self.shape} {self.dtype}",
                value=f"{shape} {chunk.dtype}",
                remedy="Give a size that all images are fitted to (--size).",
            )
        if self._file is None:
            raise ValueError("the pixel file is not open")
        data = np.ascontiguousarray(chunk, dtype=chunk.dtype.newbyteorder("<")).data
        digested = self._beside.submit(self.digest.update, data)  # both release the interpreter: one beside the other
        self._file.write(data)
        digested.result()
        self.count += len(chunk)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._beside.shutdown()
        if self._file is None:
            return
        if kind is None:
            self._file.seek(0)
            self._file.write(self._header())
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()

    def _header(self) -> bytes:
        """Version 1.0 of the .npy format, padded to 128 bytes."""
        descr = "|u1" if self.dtype in ("", "uint8") else "<u2"
        shape = (self.count, *(self.shape or (1, 1, 1)))
        text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
        room = _HEADER - 10 - 1 - len(text)
        return b"\x93NUMPY\x01\x00" + (_HEADER - 10).to_bytes(2, "little") + text.encode() + b" " * room + b"\n"
