"""The stores: whole files or none, names that every system takes."""

import os
from types import SimpleNamespace

import pandas as pd
import pytest

from ssrl_core import stores
from ssrl_core.errors import DataError, SpecError


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    target = tmp_path / "a.json"
    stores.write_json(target, {"a": 1})

    def full_disk(file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        stores.replace(target, full_disk)
    assert stores.read_json(target) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_nan_is_never_written(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        stores.write_json(tmp_path / "a.json", {"a": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_missing_or_newer_file_is_named(tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(DataError, match=r"a\.json: the file is missing"):
        stores.read_json(path)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="cannot be read"):
        stores.read_json(path)
    path.write_text('{"version": 2}', encoding="utf-8")
    with pytest.raises(SpecError, match="Update Viewloom"):
        stores.read_json(path)


@pytest.mark.parametrize("name", ["A", "a b", "", "-a", "con", "com1", "a" * 81, "ä", "../a", None])
def test_names_that_some_system_refuses_are_refused(name):
    with pytest.raises(SpecError):
        stores.check_slug(name, where="test")


@pytest.mark.parametrize("name", ["A b", "con", "äöü", "", "..", "x" * 200])
def test_a_refused_name_has_a_near_one(name):
    assert stores.check_slug(stores.as_slug(name), where="test")


def test_missing_stores_are_created(tmp_path, monkeypatch):
    monkeypatch.setenv("SSRL_DATA", str(tmp_path / "x" / "data"))
    assert stores.data_root().is_dir()


HEADS = [  # found by fuzzing: brackets that are not closed, a size that is none, more than there is memory
    b"\x93NUMPY\x01\x00\x76\x00" + text.ljust(117) + b"\n" + bytes(64)
    for text in (
        b"{'descr': '|u1', 'fortran_order': False, 'shape': ((((8, 8), }",
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (8, None), }",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999999, 9999), }",
        b"{'descr': '|O', 'fortran_order': False, 'shape': (8,), }",
    )
]


@pytest.mark.parametrize("content", [None, b"", b"no array", b"\x93NUMPY\x01\x00", *HEADS])
def test_an_array_that_is_missing_empty_or_damaged_is_said(tmp_path, content):
    path = tmp_path / "clusters.npy"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"clusters\.npy: the file is (missing|damaged)"):
        stores.read_array(path)


def test_nothing_in_a_csv_is_a_formula():
    table = pd.DataFrame({"=cmd": ["=1+1", "+a", "-a", "@a", "\ta", "-5", "+5e3", "a=b", None], "n": range(-4, 5)})
    text = stores.csv_text(table)
    lines = text.splitlines()
    assert lines[0] == "'=cmd,n"
    assert [line.split(",")[0] for line in lines[1:]] == ["'=1+1", "'+a", "'-a", "'@a", "'\ta", "-5", "+5e3", "a=b", ""]
    assert [int(line.split(",")[1]) for line in lines[1:]] == list(range(-4, 5))


@pytest.mark.parametrize(("free", "place"), [(10**9, "models/cache/numba"), (10**6, "viewloom-cache/numba")])
def test_a_full_store_sends_caches_to_a_temporary_folder(monkeypatch, tmp_path, free, place):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(stores.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    monkeypatch.setattr(stores.tempfile, "gettempdir", lambda: str(tmp_path))
    stores.prepare_caches()
    assert os.environ["NUMBA_CACHE_DIR"].endswith(place)
    assert os.path.isdir(os.environ["NUMBA_CACHE_DIR"])
