"""Which versions made a run."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import ssrl_core
from ssrl_core import stores


def versions() -> dict[str, str | None]:
    """`{viewloom, python, torch, git}`, without importing torch; git is the commit of the source tree, else None."""
    return {
        "viewloom": ssrl_core.__version__,
        "python": platform.python_version(),
        "torch": _installed("torch"),
        "git": _commit(),
    }


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit that the source tree stands at, read from git's own files."""
    root = stores.source_root()
    if root is None or not (root / ".git" / "HEAD").is_file():
        return None
    head = (root / ".git" / "HEAD").read_text().strip()
    if not head.startswith("ref: "):
        return head[:12]
    return _ref(root / ".git", head.removeprefix("ref: "))


def _ref(git: Path, name: str) -> str | None:
    loose, packed = git / name, git / "packed-refs"
    if loose.is_file():
        return loose.read_text().strip()[:12]
    lines = packed.read_text().splitlines() if packed.is_file() else []
    return next((line[:12] for line in lines if line.endswith(f" {name}")), None)
