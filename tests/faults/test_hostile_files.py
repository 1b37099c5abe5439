"""Files that are damaged, or made to harm: a sentence, within five seconds and a gigabyte, and nothing written.

`SSRL_TEST_SCALE=full` damages 1,200 files and makes 12,000 compositions, specs and wishes.
"""

from __future__ import annotations

import importlib.util
import io
import resource
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections import Counter
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ssrl_core import stores
from ssrl_core.datasets import importing
from ssrl_core.datasets.cells import field_lists
from ssrl_core.datasets.reading import image
from ssrl_core.errors import DataError, SSRLError
from ssrl_core.learning.backbones.weights import read_state
from ssrl_core.specs import composition
from ssrl_core.specs.run import RunSpec, load_run
from ssrl_core.specs.sweep import SweepSpec
from ssrl_core.specs.transforms import TRANSFORMS
from ssrl_core.specs.wishes import Wishes
from tests.kit import FULL, ROOT, missing

LONGEST_S, MOST_BYTES = 5, 1 << 30
RGB = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
WIDE = 65_000


def saved(save) -> bytes:
    file = io.BytesIO()
    save(file)
    return file.getvalue()


def pictures(folder, content: bytes) -> str:
    """A zip of two images, one of them these bytes."""
    path = folder / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/good.png", SOUND[".png"])
        archive.writestr("y/bad.png", content)
    return str(path)


SOUND = {
    ".png": saved(lambda f: Image.fromarray(RGB).save(f, "PNG")),
    ".p.png": saved(lambda f: Image.fromarray(RGB).convert("P").save(f, "PNG")),
    ".apng.png": saved(
        lambda f: Image.fromarray(RGB).save(f, "PNG", save_all=True, append_images=[Image.fromarray(RGB[::-1])])
    ),
    ".jpg": saved(lambda f: Image.fromarray(RGB).save(f, "JPEG")),
    ".cmyk.jpg": saved(lambda f: Image.fromarray(RGB).convert("CMYK").save(f, "JPEG")),
    ".bmp": saved(lambda f: Image.fromarray(RGB).save(f, "BMP")),
    ".webp": saved(lambda f: Image.fromarray(RGB).save(f, "WEBP")),
    ".anim.webp": saved(
        lambda f: Image.fromarray(RGB).save(f, "WEBP", save_all=True, append_images=[Image.fromarray(RGB[::-1])])
    ),
    ".ppm": saved(lambda f: Image.fromarray(RGB).save(f, "PPM")),
    ".pgm": saved(lambda f: Image.fromarray(RGB[..., 0]).save(f, "PPM")),
    ".tif": saved(lambda f: tifffile.imwrite(f, RGB, photometric="rgb")),
    ".big.tif": saved(lambda f: tifffile.imwrite(f, RGB, photometric="rgb", bigtiff=True, tile=(16, 16))),
    ".float.tif": saved(lambda f: tifffile.imwrite(f, np.full((24, 24), np.nan, np.float32))),
    ".ome.tif": saved(lambda f: tifffile.imwrite(f, RGB.transpose(2, 0, 1), ome=True, metadata={"axes": "CYX"})),
    ".imagej.tif": saved(lambda f: tifffile.imwrite(f, RGB.transpose(2, 0, 1)[:, None], imagej=True)),
    ".npz": saved(lambda f: np.savez_compressed(f, x=RGB[None].repeat(6, 0), y=np.arange(6), names=list("abcdef"))),
    ".csv": b"file,label\na.png,x\nb.png,y\n",
    ".parquet": saved(lambda f: pd.DataFrame({"file": ["a.png", "b.png"], "label": ["x", None]}).to_parquet(f)),
    ".npy": saved(lambda f: np.save(f, RGB)),
    ".safetensors": struct.pack("<Q", 64)
    + b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'.ljust(64)
    + bytes(8),
    ".yaml": b"name: mine\nsteps:\n  - {transform: rotation, degrees: 33}\n",
}


def read(path) -> None:
    """As whoever takes such a file does."""
    if path.suffix == ".npy":
        stores.read_array(path)
    elif path.suffix == ".safetensors":
        read_state(path, "tiny_cnn")
    elif path.suffix == ".yaml":
        for what in (composition.load, load_run):
            with suppress(SSRLError):
                what(str(path))
    else:
        importing.glance(str(path))


def in_words(work) -> str:
    """Done, or refused in words, in time and memory; what was said."""
    started, before, said = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, ""
    try:
        work()
    except SSRLError as error:
        said = str(error)
    assert time.process_time() - started < LONGEST_S  # of a processor: other tests run beside
    assert 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) < MOST_BYTES
    return said


def damaged(content: bytes, seed: int) -> bytes:
    """Cut, zeroed, flipped, doubled or mixed somewhere."""
    chance, data = np.random.default_rng(seed), bytearray(content)
    start = int(chance.integers(len(data)))
    end = min(len(data), start + int(chance.integers(1, 64)))
    how = seed % 5
    if how == 0:
        return bytes(data[:start])
    if how == 1:
        data[start:end] = bytes(end - start)
    elif how == 2:
        for place in chance.integers(0, len(data), 6):
            data[place] ^= 1 << int(chance.integers(8))
    elif how == 3:
        data[start:start] = data[start:end] * 9
    else:
        data[start:end] = chance.bytes(end - start)
    return bytes(data)


@pytest.mark.parametrize("kind", SOUND)
def test_damaged_files(tmp_path, kind):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    said = Counter()
    for seed in range(60 if FULL else 5):
        path = tmp_path / f"bad{kind}"
        path.write_bytes(damaged(SOUND[kind], seed))
        said[bool(in_words(lambda path=path: read(path)))] += 1
    assert sum(said.values()) == (60 if FULL else 5)


def huge(kind: str) -> bytes:
    """A sound file whose head says that it is 65,000 pixels wide and high."""
    data, both = bytearray(SOUND[kind]), struct.pack(">II", WIDE, WIDE)
    if kind.endswith(".png"):
        data[16:24] = both
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    elif kind.endswith(".jpg"):
        at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
        data[at + 5 : at + 9] = struct.pack(">HH", WIDE, WIDE)
    elif kind == ".bmp":
        data[18:26] = struct.pack("<ii", WIDE, WIDE)
    elif kind.endswith(".webp"):
        wide = struct.pack("<I", WIDE - 1)[:3]
        head = b"VP8X" + struct.pack("<I", 10) + bytes(4) + wide + wide
        data = bytearray(b"RIFF" + struct.pack("<I", len(data) + 10) + b"WEBP" + head + data[12:])
    elif kind in (".ppm", ".pgm"):
        data = bytearray(SOUND[kind].replace(b"24 24", b"%d %d" % (WIDE, WIDE)))
    else:
        with tifffile.TiffFile(io.BytesIO(SOUND[kind])) as tiff:
            places = [
                (tag.valueoffset, tag.dtype) for tag in tiff.pages[0].tags.values() if tag.code in (256, 257, 278)
            ]
        for place, kind_of in places:
            data[place : place + (2 if kind_of == 3 else 4)] = struct.pack("<H" if kind_of == 3 else "<I", WIDE)
    return bytes(data)


@pytest.mark.parametrize(
    "kind", [kind for kind in SOUND if kind.rsplit(".")[-1] in ("png", "jpg", "bmp", "webp", "ppm", "pgm", "tif")]
)
def test_a_head_that_says_65000_by_65000_pixels(tmp_path, kind):
    path = tmp_path / f"bad{kind}"
    path.write_bytes(huge(kind))
    assert in_words(lambda: read(path))


ZEROS = (
    ".png",
    ".tif",
    ".bmp",
    ".npz",
    ".zip",
    ".csv",
    ".tsv",
    ".txt",
    ".parquet",
    ".npy",
    ".safetensors",
    ".yaml",
    ".jpg",
)


@pytest.mark.parametrize("kind", ZEROS)
def test_two_gigabytes_of_zeros(tmp_path, kind):
    path = tmp_path / f"zeros{kind}"
    with open(path, "wb") as file:
        file.truncate(2_000_000_000)
    in_words(lambda: read(path))
    if kind != ".yaml":
        in_words(lambda: field_lists.list_fields(str(path)))


def test_a_parquet_file_that_swells_is_refused_by_what_it_says(tmp_path):
    pd.DataFrame({name: ["x"] * 4_000_000 for name in "abcd"} | {"file": ["a.png"] * 4_000_000}).to_parquet(
        tmp_path / "a.parquet"
    )
    assert "at most" in in_words(lambda: importing.glance(str(tmp_path / "a.parquet")))


@pytest.mark.parametrize(
    "names",
    [
        ["../../out.png"],
        ["/etc/passwd"],
        ["C:\\x.png"],
        ["a\0b.png"],
        ["\u202egnp.exe.png"],
        ["x/\x1b[2J.png"],
        ["=cmd|' '!A0.png"],
        ["a" * 300 + ".png"],
    ],
)
def test_names_in_an_archive(tmp_path, names):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, SOUND[".png"])
    before = sorted(tmp_path.parent.rglob("*"))
    in_words(lambda: importing.glance(str(path)))
    in_words(lambda: importing.import_source(str(path), "out"))
    new = set(tmp_path.parent.rglob("*")) - set(before)  # what a process of an earlier test writes meanwhile is in it
    outside = [path for path in new if path.is_file() and stores.data_root() not in path.parents]
    assert [path for path in outside if path.read_bytes() == SOUND[".png"]] == []


@pytest.mark.parametrize(("name", "become", "times"), [("ä", b"\xc3\x28", 1), ("ä", b"\xc3\x28", 2), ("ab", b"\0b", 2)])
def test_names_in_the_head_of_an_archive_that_are_none(tmp_path, name, become, times):
    content = saved(lambda file: _one_member(file, b"x", name=name))
    (tmp_path / "a.zip").write_bytes(content.replace(name.encode(), become, times))
    assert in_words(lambda: importing.glance(str(tmp_path / "a.zip")))


def test_a_cell_of_a_million_letters(tmp_path):
    (tmp_path / "a.csv").write_text("file,label\na.png," + "x" * 1_000_000 + "\n")
    in_words(lambda: importing.glance(str(tmp_path / "a.csv")))


def test_an_archive_in_an_archive_is_no_image(tmp_path):
    content = SOUND[".png"]
    for _ in range(30):
        content = saved(lambda file, content=content: _one_member(file, content))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("nested.zip", content)
    assert "only archives" in in_words(lambda: importing.glance(str(tmp_path / "a.zip")))


def _one_member(file, content: bytes, name: str = "inner.zip") -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)


def test_metadata_that_lies_about_its_size_or_swells(tmp_path):
    bomb = (
        '<!DOCTYPE x [<!ENTITY a "'
        + "x" * 999
        + '">'
        + "".join(f'<!ENTITY {b} "{f"&{a};" * 9}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
        + "]><OME>&i;</OME>"
    )
    sizes = 'SizeC="999999999" SizeZ="999999999" SizeT="999999999"'
    planes = '<TiffData PlaneCount="999999999"><UUID FileName="a.ome.tif"/></TiffData>'
    lies = f'<OME><Image><Pixels DimensionOrder="XYCZT" {sizes}>{planes}</Pixels></Image></OME>'
    for text in (bomb, lies, lies.replace("999999999", "9" * 400), lies.replace("999999999", "-1"), "<OME>" * 20_000):
        path = tmp_path / "a.ome.tif"
        tifffile.imwrite(path, RGB[..., 0], description=text.encode("ascii", "replace").decode(), metadata=None)
        in_words(lambda path=path: importing.glance(str(path)))
        in_words(lambda path=path: field_lists.list_fields(str(path)))


# generated specs

NUMBERS = st.one_of(st.integers(), st.floats(), st.integers(-3, 300), st.floats(0, 1))
TEXTS = st.one_of(st.text(max_size=12), st.sampled_from(["simclr", "identity", "kit", "local", "auto", "../x", "\0"]))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=8,
)
SETTINGS = sorted({one.name for row in TRANSFORMS.values() for one in row.parameters})
STEP = st.fixed_dictionaries(
    {"transform": st.one_of(st.sampled_from(sorted(TRANSFORMS)), VALUES)},
    optional={"p": VALUES, "enabled": VALUES, **dict.fromkeys(SETTINGS, VALUES)},
)
STEPS = st.one_of(st.lists(STEP, max_size=4), VALUES)
GROUP = st.fixed_dictionaries(
    {}, optional={"name": VALUES, "count": VALUES, "size": VALUES, "role": VALUES, "steps": STEPS}
)
COMPOSITION = st.fixed_dictionaries(
    {},
    optional={
        "name": VALUES,
        "version": VALUES,
        "steps": STEPS,
        "views": st.one_of(st.lists(GROUP, max_size=3), VALUES),
        "pair": VALUES,
    },
)
PLAIN = {"dataset": "kit", "method": "simclr", "backbone": "tiny_cnn", "terms": "identity"}
FIELDS = (*PLAIN, "optimizer", "schedule", "evaluate", "keep", "heads", "seed", "batch_size", "accumulate", "epochs")
FIELDS += ("limit_train", "precision", "device", "devices", "name", "notes", "tags", "recipe", "version", "condition")
SPEC = st.dictionaries(st.sampled_from(FIELDS), st.one_of(VALUES, COMPOSITION), max_size=5).map(
    lambda more: PLAIN | more
)
SWEEP = st.builds(lambda spec, vary, seeds: spec | {"vary": vary, "seeds": seeds}, SPEC, VALUES, VALUES)
WISHES = st.fixed_dictionaries(
    {"version": st.just(1)},
    optional=dict.fromkeys(("dataset", "wishes", "candidates", "seed", "input", "bank", "like"), VALUES),
)
READ = {
    "composition": (COMPOSITION, composition.Composition.from_mapping),
    "spec": (SPEC, RunSpec.from_mapping),
    "sweep": (SWEEP, SweepSpec.from_mapping),
    "wishes": (WISHES, Wishes.from_mapping),
}


@pytest.mark.timeout(60)
def test_a_tiff_whose_page_names_itself_as_the_next_ends():
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for side in (8, 12):
            writer.write(np.zeros((side, side), np.uint8), metadata=None, software="")
    content = bytearray(file.getvalue())
    with tifffile.TiffFile(io.BytesIO(content)) as sound:
        last = sound.pages[1].offset
    (tags,) = struct.unpack_from("<H", content, last)
    struct.pack_into("<I", content, last + 2 + 12 * tags, last)
    with suppress(SSRLError):
        image.facts(io.BytesIO(content))


@pytest.mark.timeout(60)
def test_a_tiff_that_says_where_one_of_millions_of_pieces_is_ends_at_once():
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((8, 8), np.uint8), metadata=None, software="", compression="zlib")
    content = bytearray(file.getvalue())
    with tifffile.TiffFile(io.BytesIO(content)) as sound:
        tags = {code: sound.pages[0].tags[code] for code in (257, 278)}
    for tag, value in zip(tags.values(), (33_554_424, 8), strict=True):
        struct.pack_into({3: "<H", 4: "<I"}[tag.dtype], content, tag.valueoffset, value)
    began = time.process_time()
    with pytest.raises(DataError, match="1 of its 4,194,303 pieces"):
        image.decode(io.BytesIO(content))
    assert time.process_time() - began < LONGEST_S


@pytest.mark.parametrize("kind", READ)
def test_generated(kind):
    values, take = READ[kind]

    @settings(max_examples=3_000 if FULL else 30, deadline=None)
    @given(values)
    def check(data) -> None:
        with suppress(SSRLError):
            take(data)

    check()


@pytest.mark.slow
def test_fuzzed_for_some_seconds(tmp_path):
    if importlib.util.find_spec("atheris") is None:
        missing("atheris", "pip install atheris (Linux)")
    much = ["--seconds", "600"] if FULL else ["--seconds", "10", "--inputs", "1500", "--seed", "1"]
    words = [sys.executable, "-m", "tests.faults.fuzz", *much, "--brief"]
    done = subprocess.run([*words, "--keep", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
