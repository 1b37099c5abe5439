"""Built-in sets: promised truly, made once, fetched or laid by hand, and an import takes their place."""

import dataclasses
import gzip
import hashlib
import pickle
import shutil
import struct
import threading

import numpy as np
import pytest

from ssrl_core import stores
from ssrl_core.datasets import builtin, store
from ssrl_core.datasets.made import cifar, fetching, mnist
from ssrl_core.errors import DataError


@pytest.fixture
def offline(monkeypatch):
    def refuse(request, timeout):
        assert timeout <= 20, "a silent server must be given up"
        raise fetching.urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(fetching.urllib.request, "urlopen", refuse)


def _idx(array):
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}i", *array.shape) + array.tobytes()


def _lay_mnist(folder, packed):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    parts = {}
    for name, count in (("train", 80), ("t10k", 20)):
        x, y = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8), (np.arange(count) % 10).astype(np.uint8)
        for kind, array in (("images-idx3", x), ("labels-idx1", y)):
            data = _idx(array)
            end = ".gz" if packed else ""
            (folder / f"{name}-{kind}-ubyte{end}").write_bytes(gzip.compress(data) if packed else data)
        parts[name] = x
    return parts


@pytest.mark.parametrize("name", ["mnist", "cifar10", "cifar100"])
def test_offline_the_error_names_the_folder_and_the_files(offline, name):
    with pytest.raises(DataError) as caught:
        store.load(name)
    message = caught.value.message
    assert str(stores.downloads_root()) in message
    for file in {
        "mnist": ["train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"],
        "cifar10": ["cifar-10-python.tar.gz"],
        "cifar100": ["cifar-100-python.tar.gz"],
    }[name]:
        assert file in message
    assert not store.is_ready(name)
    assert not list(stores.downloads_root().rglob("*.part"))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("place", ["", "MNIST/raw"])
def test_mnist_is_taken_from_files_laid_by_hand(offline, packed, place):
    parts = _lay_mnist(stores.downloads_root() / place, packed)
    made = store.load("mnist")
    assert np.array_equal(made.pixels[:80, 0], parts["train"])
    assert np.array_equal(made.pixels[made.split_ids("test"), 0], parts["t10k"])
    assert made.split_counts == {"train": 70, "val": 10, "test": 20}
    assert made.classes == tuple("0123456789")


def test_damaged_mnist_files_are_named(offline):
    _lay_mnist(stores.downloads_root(), packed=False)
    path = stores.downloads_root() / "t10k-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DataError, match="t10k-labels"):
        store.load("mnist")
    assert not store.is_ready("mnist")


def test_an_archive_that_is_not_the_official_one_is_never_opened(offline):
    (stores.downloads_root() / "cifar-10-python.tar.gz").write_bytes(b"anything")
    with pytest.raises(DataError, match="not the official archive"):
        store.load("cifar10")


def test_what_comes_from_a_mirror_is_checked_and_kept_only_if_right(monkeypatch, tmp_path):
    class Answer:
        def __init__(self):
            self.headers = {"Content-Length": "5"}
            self.left = [b"hello", b""]

        def read(self, size):
            return self.left.pop(0)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

    monkeypatch.setattr(fetching.urllib.request, "urlopen", lambda request, timeout: Answer())
    seen = []
    path = tmp_path / "file.gz"
    assert "checksum" in fetching.fetch(["http://a/x"], path, md5="0" * 32)
    assert list(tmp_path.iterdir()) == [tmp_path / "file.gz"] or not path.exists()
    right = "5d41402abc4b2a76b9719d911017c592"
    assert fetching.fetch(["http://a/x"], path, md5=right, report=lambda *step: seen.append(step)) is None
    assert path.read_bytes() == b"hello"
    assert seen == [(5, 5, "fetching file.gz")]


@pytest.mark.slow
def test_addresses_and_checksums_are_those_of_torchvision():
    from torchvision import datasets

    assert list(mnist.MIRRORS) == datasets.MNIST.mirrors
    assert list(mnist.MD5.items()) == datasets.MNIST.resources
    for name, kind in (("cifar10", datasets.CIFAR10), ("cifar100", datasets.CIFAR100)):
        archive = cifar.ARCHIVES[name]
        assert (archive.file, archive.folder, archive.md5, archive.url) == (
            kind.filename,
            kind.base_folder,
            kind.tgz_md5,
            kind.url,
        )


def test_digits_keep_their_seventeen_grey_levels():
    made = store.load("digits")
    assert made.max_value == 16
    assert made.pixels.max() == 16
    assert made.channel_stats()[0][0] == pytest.approx(made.pixels[made.split_ids("train")].mean() / 16)
    row = builtin.BUILT_IN["digits"]
    assert tuple(made.split_counts.values()) == row.splits
    assert store.summary("digits") == {**builtin.promised(row), "fingerprint": made.fingerprint}


def test_an_import_under_a_built_in_name_takes_its_place_before_and_after_it_is_made():
    pixels = np.zeros((5, 1, 8, 8), np.uint8)
    import pandas as pd

    before = store.load("digits")
    store.create("digits", pixels, pd.DataFrame(index=range(5)))
    assert store.load("digits").count == 5
    assert not store.is_made("digits")
    store.delete("digits")
    assert store.load("digits").fingerprint == before.fingerprint
    assert store.is_made("digits")
    store.create("mnist", pixels, pd.DataFrame(index=range(5)))
    assert store.load("mnist").count == 5


def test_two_who_need_a_set_at_once_make_it_once(monkeypatch):
    made = []
    real = builtin.BuiltIn.make

    def counted(self, report=None):
        made.append(self.name)
        real(self, report)

    monkeypatch.setattr(builtin.BuiltIn, "make", counted)
    threads = [threading.Thread(target=store.load, args=("digits",)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == ["digits"]


def test_names_list_the_built_in_ones_first_and_all_can_be_summed_up():
    assert store.names() == list(builtin.BUILT_IN)
    assert store.names()[:6] == ["strokes", "digits", "simulated-cells", "mnist", "cifar10", "cifar100"]
    for name in store.names():
        item = store.summary(name)
        assert set(item) == {"name", "title", "count", "shape", "dtype", "classes", "splits", "label", "fingerprint"}
        assert sum(item["splits"].values()) == item["count"]
        assert item["fingerprint"] is None
    assert len(store.summary("cifar100")["classes"]) == 100


@pytest.mark.slow
def test_cifar_is_read_from_the_official_archive_laid_by_hand(offline, monkeypatch, tmp_path):
    """With an archive of the official form, whose checksums torchvision is told to expect."""
    from torchvision import datasets

    kind, rng = datasets.CIFAR10, np.random.default_rng(0)
    folder = tmp_path / kind.base_folder
    folder.mkdir()
    names = [file for file, _ in (*kind.train_list, *kind.test_list)]
    pixels = {name: rng.integers(0, 256, (10, 3072), dtype=np.uint8) for name in names}
    for name in names:
        (folder / name).write_bytes(pickle.dumps({"data": pixels[name], "labels": list(range(10))}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list(builtin.BUILT_IN["cifar10"].classes)}))
    laid = shutil.make_archive(str(tmp_path / "laid"), "gztar", tmp_path, kind.base_folder)
    shutil.copy(laid, stores.downloads_root() / kind.filename)

    def sums(listed):
        return [[file, _md5(folder / file)] for file, _ in listed]

    monkeypatch.setattr(kind, "train_list", sums(kind.train_list))
    monkeypatch.setattr(kind, "test_list", sums(kind.test_list))
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": _md5(folder / "batches.meta")})
    official = dataclasses.replace(cifar.ARCHIVES["cifar10"], md5=_md5(stores.downloads_root() / kind.filename))
    monkeypatch.setitem(cifar.ARCHIVES, "cifar10", official)
    made = store.load("cifar10")
    assert made.shape == (3, 32, 32)
    assert np.array_equal(made.pixels[made.split_ids("test")].reshape(10, -1), pixels["test_batch"])
    assert made.classes == builtin.BUILT_IN["cifar10"].classes
    assert made.label_ids[:10].tolist() == list(range(10))


def _md5(path):
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
