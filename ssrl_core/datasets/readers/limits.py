"""What an archive may do to the disk: nothing outside the store, and no bombs."""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import PurePosixPath, PureWindowsPath

from ssrl_core import stores
from ssrl_core.errors import DataError

MAX_RATIO = 250  # photographs reach 2, blank 16-bit fields 200
RATIO_FROM_BYTES = 64_000_000  # below this a high ratio does no harm
MAX_MEMBERS = 2_000_000


def check_archive(archive: zipfile.ZipFile, where: str) -> None:
    """Refuse an archive that leaves its folder, links elsewhere, is encrypted, or is a bomb.

    Raises:
        DataError: nothing has been written.
    """
    infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        raise DataError(where=where, field="the archive", rule=f"of at most {MAX_MEMBERS:,} files", value=len(infos))
    for info in infos:
        _check_name(info, where)
        if info.flag_bits & 1:
            raise DataError(f"{where}: {info.filename} is encrypted. Pack the folder again without a password.")
        if info.file_size > RATIO_FROM_BYTES and info.file_size > MAX_RATIO * max(1, info.compress_size):
            ratio = info.file_size // max(1, info.compress_size)
            raise DataError(
                f"{where}: {info.filename} would grow {ratio}-fold to {_gb(info.file_size)}; real images grow at most "
                f"{MAX_RATIO}-fold. Unpack it by hand if you trust it, and import the folder."
            )
    _check_total(infos, where)


def leads_out(name: str) -> bool:
    """Whether a path that should lie in a folder leaves it, on any system: absolute, on a drive, or by `..`."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return ".." in parts or name.startswith(("/", "\\")) or bool(PureWindowsPath(name).drive)


def _check_name(info: zipfile.ZipInfo, where: str) -> None:
    name = info.filename
    if leads_out(name):
        raise DataError(
            where=where, field="a path in the archive", rule="inside it", value=name, remedy="Pack the folder again."
        )
    if stat.S_ISLNK(info.external_attr >> 16):
        raise DataError(
            where=where, field="every file in the archive", rule="a real one, not a link", value=name,
            remedy="Pack the files themselves.",
        )  # fmt: skip


def _check_total(infos: list[zipfile.ZipInfo], where: str) -> None:
    total = sum(info.file_size for info in infos)
    packed = sum(info.compress_size for info in infos)
    end = max((info.header_offset + info.compress_size for info in infos), default=0)
    if packed > end:
        raise DataError(f"{where}: its files overlap, as in an archive made to fill disks. Pack the folder again.")
    free = shutil.disk_usage(stores.data_root()).free
    if total > free:
        raise DataError(
            where=where,
            field="the unpacked size",
            rule=f"at most the free {_gb(free)} of the store",
            value=_gb(total),
            remedy="Make room, or set SSRL_DATA to a larger disk.",
        )
    if total > RATIO_FROM_BYTES and total > MAX_RATIO * max(1, packed):
        raise DataError(
            f"{where}: it would grow {total // max(1, packed)}-fold to {_gb(total)}; real images grow at most "
            f"{MAX_RATIO}-fold. Unpack it by hand if you trust it, and import the folder."
        )


def _gb(size: int) -> str:
    return f"{size / 1e9:.3g} GB"
