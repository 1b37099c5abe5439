"""Pixels that stay in their files: the same images, fingerprint and training, and what is said when files go."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssrl_core.datasets.importing import import_source, understand
from ssrl_core.datasets.reading.understanding import ImportOptions
from ssrl_core.datasets.store import load
from ssrl_core.errors import DataError, SpecError
from ssrl_core.learning import devices
from ssrl_core.learning.loop import fit
from tests.learning.tiny_runs import assert_same_bits, final_state, measured, small_spec, stop_at

IN_PLACE = ImportOptions(size=24, in_place=True)


def picture(number: int, kind: str = "JPEG") -> bytes:
    """A photograph of 40 × 30 px, whose colours tell its number; every fifth is grey."""
    made = np.random.default_rng(number).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    into = io.BytesIO()
    image = Image.fromarray(made)
    (image.convert("L") if number % 5 == 0 else image).save(into, kind)
    return into.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(48):
        place = tmp_path / "photos" / ("cats" if number % 2 else "dogs")
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:03}.jpg").write_bytes(picture(number))
    return tmp_path / "photos"


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Three tars of sixteen samples with their class and what else is known."""
    (tmp_path / "shards").mkdir()
    for number in range(48):
        with tarfile.open(tmp_path / "shards" / f"set-{number // 16:04}.tar", "a") as tar:
            known = json.dumps({"width": 40, "camera": f"c{number % 3}", "tags": [1]}).encode()
            for end, content in (("jpg", picture(number)), ("cls", str(number % 2).encode()), ("json", known)):
                head = tarfile.TarInfo(f"{number:06}.{end}")
                head.size = len(content)
                tar.addfile(head, io.BytesIO(content))
    return tmp_path / "shards"


def test_images_of_a_folder_stay_there_and_are_those_that_a_copy_holds(folder: Path) -> None:
    there, copied = import_source(folder, "there", IN_PLACE), import_source(folder, "copied", ImportOptions(size=24))
    assert not (there.folder / "pixels.npy").exists()
    assert there.fingerprint == copied.fingerprint
    assert there.classes == ("cats", "dogs")
    mine, theirs = there.pixels, copied.pixels
    assert (mine.shape, mine.dtype, mine.ndim, len(mine), mine.nbytes) == (
        theirs.shape, theirs.dtype, 4, 48, theirs.nbytes,
    )  # fmt: skip
    every = np.arange(48)
    for key in (3, -1, slice(4, 20), every[::-1], [5, 1], every % 3 == 0, (every[:9], slice(0, 2)), (2, 1)):
        np.testing.assert_array_equal(mine[key], theirs[key])
    np.testing.assert_array_equal(np.asarray(mine), theirs)
    for a, b in zip(there.channel_stats(), copied.channel_stats(), strict=True):
        np.testing.assert_array_equal(a, b)
    red = load("there").select(channels=[there.channels[1].name])
    np.testing.assert_array_equal(red.pixels[[4, 7]], theirs[[4, 7]][:, 1:2])


def test_shards_are_read_where_they_lie_with_what_is_known_of_each_image(shards: Path) -> None:
    understood = understand(shards, ImportOptions(label="class", size=24))
    assert {"class", "width", "camera"} <= set(understood.column_names)
    found = import_source(shards, "shards", ImportOptions(label="class", size=24, in_place=True))
    assert (found.count, found.classes) == (48, ("0", "1"))
    assert set(found.table["camera"]) == {"c0", "c1", "c2"}
    number = found.table["source"].str.extract(r"(\d{6})\.jpg")[0].astype(int)
    assert (found.label_ids == number % 2).all()
    plain = import_source(shards, "plain", ImportOptions(label="class", size=24))
    assert plain.fingerprint == found.fingerprint
    np.testing.assert_array_equal(found.pixels[:], plain.pixels)
    one = import_source(shards / "set-0001.tar", "one", ImportOptions(label="class", size=24, in_place=True))
    np.testing.assert_array_equal(one.pixels[:], plain.pixels[16:32])


def test_a_training_takes_them_batch_by_batch_and_goes_on_bit_for_bit(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, copied = import_source(folder, "there", IN_PLACE), import_source(folder, "copied", ImportOptions(size=24))
    spec = small_spec(dataset="there", epochs=2)
    fit(spec, copied, tmp_path / "whole")
    monkeypatch.setattr(devices, "_resident_limit", lambda device: 0.0)
    stop_at(tmp_path / "broken", spec, there, 5)
    fit(spec, there, tmp_path / "broken")
    assert_same_bits(final_state(tmp_path / "whole"), final_state(tmp_path / "broken"))
    assert measured(tmp_path / "whole") == measured(tmp_path / "broken")


def test_a_file_that_went_away_or_was_cut_is_named(folder: Path) -> None:
    there = import_source(folder, "there", IN_PLACE)
    (folder / "cats" / "001.jpg").unlink()
    (folder / "cats" / "003.jpg").write_bytes(b"\xff\xd8")
    for image, words in ((0, r"001\.jpg: image 0 cannot be read"), (1, r"003\.jpg: image 1 .*shorter than it was")):
        with pytest.raises(DataError, match=words):
            there.pixels[image]


def test_what_cannot_stay_in_its_files_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    Image.fromarray(np.arange(900, dtype=np.uint16).reshape(30, 30) * 70).save(tmp_path / "deep" / "a.png")
    np.savez(tmp_path / "x.npz", x=np.zeros((4, 8, 8), np.uint8))
    for source in (tmp_path / "deep", tmp_path / "x.npz"):
        with pytest.raises(SpecError, match="--in-place must be for image files of 8 bits"):
            import_source(source, "refused", ImportOptions(in_place=True))
    (tmp_path / "cut.tar").write_bytes(b"no tar at all")
    with pytest.raises(DataError, match=r"cut\.tar: this is not a readable tar"):
        import_source(tmp_path / "cut.tar", "refused", IN_PLACE)
