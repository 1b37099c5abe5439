"""Whatever is written for people, onto a disk that becomes full: a sentence, no half file, the older one is kept."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from ssrl_core import stores
from ssrl_core.cli import main
from ssrl_core.errors import RunError, not_written
from ssrl_core.exports import EXPORTS
from ssrl_core.learning.backbones import build
from ssrl_core.learning.encoders import save_encoder
from ssrl_core.runs.queue import tables
from tests.screen_kit import make_screen_run

PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
OLDER = b"what was there before"
FORMATS = [to for to in EXPORTS if to not in ("torchvision", "onnx")]  # one by itself below; one as slow as it is alike
WRITTEN = {
    **{f"as {to}": (f"export RUN --to {to} --out OUT/run{EXPORTS[to].suffix}", 1) for to in FORMATS},
    "profiles in Parquet": ("export RUN --to profiles --out OUT/profiles.parquet", 1),
    "a composition": ("compose export mnist-first-set --to torchvision --out OUT/views.py", 1),
    "a grid of views": ("compose preview mnist-first-set --dataset kit --images 3 --out OUT/grid.png", 1),
    "a map": ("layout RUN --method pca --out OUT/map.svg", 1),
    "a screen": ("screen RUN --out OUT", 7),
    "a bundle for a bug report": ("diagnose --out OUT/bug.zip", 1),
}


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory) -> Iterator[Path]:
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    place = tmp_path_factory.mktemp("small")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", place], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> tuple[dict[str, str], str]:
    """A store with one run on a screen: what names it in the environment, and the run."""
    with pytest.MonkeyPatch.context() as patch:
        roots = {name: str(tmp_path_factory.mktemp(name)) for name in ("SSRL_MODELS", "SSRL_DATA")}
        for name, root in roots.items():
            patch.setenv(name, root)
        run = make_screen_run()
        encoder = build("tiny_cnn", channels=3, side=20, stem="auto", mean=[0.3] * 3, sd=[0.2] * 3, seed=3)
        save_encoder(run / "encoder.safetensors", encoder, {"spec_hash": "abc", "version": "1"})
    return roots, run.name


def files(place: Path) -> dict[str, bytes]:
    found = (path for path in place.rglob("*") if path.is_file() and path.name != ".filler")
    return {str(path.relative_to(place)): path.read_bytes() for path in found}


def leave(place: Path, room: int) -> None:
    """Fill the disk but for so many pages."""
    free = shutil.disk_usage(place).free - room * PAGE
    with open(place / ".filler", "wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, free)


@pytest.mark.parametrize(("command", "count"), WRITTEN.values(), ids=WRITTEN)
def test_an_export_that_finds_no_room(small_disk, store, command, count, monkeypatch, capsys):
    """Half the pages of a file fit, and then no more."""
    roots, run = store
    for name, root in roots.items():
        monkeypatch.setenv(name, root)
    line = [{"RUN": run}.get(word, word).replace("OUT", str(small_disk)) for word in command.split()]
    assert main(line) == 0
    made = files(small_disk)
    assert len(made) == count
    capsys.readouterr()
    for name in made:
        (small_disk / name).write_bytes(OLDER)
    leave(small_disk, max(len(content) for content in made.values()) // 2 // PAGE if count == 1 else 2)
    try:
        assert main(line) == 1
        told = capsys.readouterr().err
        assert f"{small_disk}/" in told
        assert "the disk is full, so nothing was written. Make room" in told
        left = files(small_disk)
        assert left.keys() == made.keys()
        assert OLDER in left.values()
        assert all(content in (OLDER, made[name]) for name, content in left.items())
    finally:
        for path in small_disk.iterdir():
            path.unlink()


def test_weights_for_torchvision_and_a_table_find_no_room(small_disk):
    """What writes them is given the file, and says in its own way that it takes nothing."""
    import torch

    table = pd.DataFrame({"seed": range(40_000)})
    state = {"weight": torch.arange(50_000.0)}
    leave(small_disk, 10)
    ways = {
        "w.pth": lambda out: stores.replace(out, lambda file: torch.save(state, file)),
        "t.csv": lambda out: tables.save(table, out),
    }
    for name, write in ways.items():
        with pytest.raises((OSError, RunError)) as caught:
            write(small_disk / name)
        error = caught.value
        told = not_written(error) if isinstance(error, OSError) else error
        assert f"{small_disk / name}: the disk is full" in str(told)
    assert [path.name for path in small_disk.iterdir()] == [".filler"]
    (small_disk / ".filler").unlink()
