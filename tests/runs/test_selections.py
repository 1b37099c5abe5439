"""Selections that an address names."""

import errno
import io
import os

import numpy as np
import pytest

from ssrl_core import stores
from ssrl_core.errors import DataError, SpecError
from ssrl_core.runs.folder import annotations


@pytest.mark.parametrize(
    ("ids", "text"), [([], ""), ([7], "7"), ([3, 4, 5, 9], "3-5.9"), ([0, 2, 3], "0.2-3"), ([1, 3, 5], "1.3.5")]
)
def test_few_images_are_written_out(ids, text):
    assert annotations.selection_name(np.array(ids, np.int64)) == text
    if ids:
        assert annotations.read_selection(text, 100).tolist() == ids


def test_many_images_are_kept_once_and_come_back_exactly():
    ids = np.flatnonzero(np.random.default_rng(0).random(50_000) < 0.3)
    name = annotations.selection_name(ids)
    assert name.startswith("@")
    assert len(name) == 13
    assert annotations.selection_name(ids) == name
    np.testing.assert_array_equal(annotations.read_selection(name, 50_000), ids)
    assert len(list((stores.models_root() / "selections").glob("*.npy"))) == 1


def test_a_long_run_of_images_needs_no_keeping():
    assert annotations.selection_name(np.arange(400_000)) == "0-399999"
    assert len(annotations.read_selection("0-399999", 300_000)) == 300_000


@pytest.mark.parametrize("name", ["x", "1-", "-1", "1..2", "3;4", "1.2.", "9" * 20])
def test_what_names_no_images_is_refused(name):
    with pytest.raises(SpecError, match="sel must be"):
        annotations.read_selection(name, 10)


@pytest.mark.parametrize("name", ["@", "@abc", "@0123456789ab", "@../../../x"])
def test_a_selection_that_is_not_here_is_said(name):
    with pytest.raises(DataError, match="kept in this store"):
        annotations.read_selection(name, 10)


def _npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize("content", [b"no array", b"", _npy(np.zeros(9)), _npy(np.zeros((3, 3), np.uint8))])
def test_a_damaged_selection_is_said(content):
    name = annotations.selection_name(np.arange(0, 9000, 2))
    (stores.models_root() / "selections" / f"{name[1:]}.npy").write_bytes(content)
    with pytest.raises(DataError, match="selection must be readable"):
        annotations.read_selection(name, 9000)


def test_the_oldest_selections_go(monkeypatch):
    monkeypatch.setattr(annotations, "MOST_KEPT", 3)
    for start in range(6):
        annotations.selection_name(np.arange(start, 9000, 3 + start))
    assert len(list((stores.models_root() / "selections").glob("*.npy"))) == 3


def test_a_selection_that_is_named_again_is_not_the_oldest(monkeypatch):
    monkeypatch.setattr(annotations, "MOST_KEPT", 2)
    folder = stores.models_root() / "selections"
    many = [np.arange(start, 9000, 3) for start in range(3)]
    names = [annotations.selection_name(ids) for ids in many[:2]]
    for age, name in enumerate(names):
        os.utime(folder / f"{name[1:]}.npy", (1000 + age, 1000 + age))
    assert annotations.selection_name(many[0]) == names[0]
    annotations.selection_name(many[2])
    assert annotations.read_selection(names[0], 9000).tolist() == many[0].tolist()
    with pytest.raises(DataError, match="kept in this store"):
        annotations.read_selection(names[1], 9000)


def test_a_store_that_cannot_be_written_gives_no_name(monkeypatch):
    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(stores, "replace", full)
    assert annotations.selection_name(np.arange(0, 9000, 2)) == ""


def test_old_selections_that_cannot_go_stay(monkeypatch):
    monkeypatch.setattr(annotations, "MOST_KEPT", 1)
    first = annotations.selection_name(np.arange(0, 9000, 2))
    (stores.models_root() / "selections" / "gone.npy").symlink_to("nowhere.npy")
    (stores.models_root() / "selections" / "folder.npy").mkdir()
    os.utime(stores.models_root() / "selections" / "folder.npy", (1000, 1000))
    second = annotations.selection_name(np.arange(0, 9000, 3))
    assert annotations.read_selection(second, 9000).tolist() == list(range(0, 9000, 3))
    assert first != second
