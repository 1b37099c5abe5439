"""Nuclei by other people's networks: used where they are installed, asked for by name where they are not.

Stand-ins take the place of the packages, with the same calls: tested is what we tell them and do with the answer.
"""

import sys
import types

import numpy as np
import pytest
from scipy.ndimage import label

from ssrl_core.datasets import cells, store
from ssrl_core.datasets.cells import detectors
from ssrl_core.datasets.cells.detectors import require
from ssrl_core.datasets.cells.settings import CellOptions
from ssrl_core.datasets.made.simulation.crops import Camera, FieldSettings, write_fields
from ssrl_core.errors import DataError, SpecError


def by_level(image, level):
    """Labels with gaps in their numbers, in no order: bright connected pixels."""
    found, count = label(image > level)
    return np.where(found > 0, 3 * (count - found) + 5, 0).astype(np.uint16)


@pytest.fixture(autouse=True)
def _no_model_is_kept():
    detectors._cellpose.cache_clear()
    detectors._stardist.cache_clear()
    yield
    detectors._cellpose.cache_clear()
    detectors._stardist.cache_clear()


def stand_in(monkeypatch, name, inner, **things):
    package, module = types.ModuleType(name), types.ModuleType(f"{name}.{inner}")
    package.__dict__[inner] = module
    module.__dict__.update(things)
    monkeypatch.setitem(sys.modules, name, package)
    monkeypatch.setitem(sys.modules, f"{name}.{inner}", module)


def cellpose(monkeypatch, *, version):
    """What each version is made with and asked."""
    told = {}

    class CellposeModel:
        def __init__(self, **made):
            told["made"] = made

        def eval(self, image, **asked):
            told["asked"] = asked
            return by_level(image, image.mean() + image.std()), [], []

    old = {"Cellpose": object} if version < 4 else {}
    stand_in(monkeypatch, "cellpose", "models", CellposeModel=CellposeModel, **old)
    return told


def stardist(monkeypatch):
    told = {}

    class StarDist2D:
        @classmethod
        def from_pretrained(cls, name):
            told["model"] = name
            return cls()

        def predict_instances(self, image, scale):
            told.update(range=(image.min(), image.max()), scale=scale)
            return by_level(image, 0.4), {}

    stand_in(monkeypatch, "stardist", "models", StarDist2D=StarDist2D)
    return told


def dna():
    """Two discs of 20 px on a dark ground, and a speck."""
    y, x = np.indices((80, 120))
    image = np.full((80, 120), 10, np.uint16)
    for row, column in ((30, 30), (50, 90)):
        image[(y - row) ** 2 + (x - column) ** 2 <= 100] = 400
    image[5:7, 5:7] = 400
    return image


@pytest.mark.parametrize("version", [3, 4])
def test_cellpose_is_asked_as_its_version_wants(monkeypatch, version):
    told = cellpose(monkeypatch, version=version)
    labels = cells.detect(dna(), cells.NucleusSettings(diameter_px=20, detector="cellpose"))
    assert sorted(np.unique(labels)) == [0, 1, 2], "specks go, numbers have no gaps"
    assert labels[30, 30] == 1, "in reading order"
    assert labels[50, 90] == 2
    assert told["asked"] == ({"diameter": 20.0, "channels": [0, 0]} if version == 3 else {"diameter": 20.0})
    assert ("model_type" in told["made"]) == (version == 3)


def test_stardist_sees_an_even_range_at_the_size_it_knows(monkeypatch):
    told = stardist(monkeypatch)
    labels = cells.detect(dna(), cells.NucleusSettings(diameter_px=60, detector="stardist", smallest=0.0))
    assert labels.max() == 3
    assert told["model"] == "2D_versatile_fluo"
    assert told["scale"] == pytest.approx(0.5)
    assert told["range"][0] == pytest.approx(0)
    assert told["range"][1] == pytest.approx(1)


def test_a_whole_import_uses_it_and_says_so(tmp_path, monkeypatch):
    cellpose(monkeypatch, version=4)
    table = write_fields(tmp_path / "in", 2, FieldSettings(shape=(200, 240), camera=Camera(pixel_um=0.65)))
    settings = cells.CellSettings(size=40, nuclei=cells.NucleusSettings(detector="cellpose"))
    made = cells.import_fields(table, "screen", CellOptions(settings=settings))
    assert made.count > 0
    assert cells.report_of(made.folder)["settings"]["nuclei"]["detector"] == "cellpose"


@pytest.mark.parametrize("name", ["cellpose", "stardist"])
def test_one_that_is_not_installed_is_asked_for_before_anything_is_read(tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    settings = cells.CellSettings(nuclei=cells.NucleusSettings(detector=name))
    with pytest.raises(SpecError, match=f"pip install {name}") as caught:
        cells.import_fields(tmp_path / "nowhere", "screen", CellOptions(settings=settings))
    assert caught.value.field == "detector"
    assert not store.is_ready("screen")
    with pytest.raises(SpecError, match="one of threshold, cellpose, stardist"):
        require("magic")


def test_its_failure_is_told_with_its_name(monkeypatch):
    class CellposeModel:
        def __init__(self, **made):
            raise OSError("weights could not be fetched\nTraceback …")

    stand_in(monkeypatch, "cellpose", "models", CellposeModel=CellposeModel)
    with pytest.raises(DataError, match=r"cellpose failed: weights could not be fetched\. Use the detector"):
        cells.detect(dna(), cells.NucleusSettings(diameter_px=20, detector="cellpose"))


def test_labels_of_another_size_are_refused(monkeypatch):
    class CellposeModel:
        def __init__(self, **made):
            pass

        def eval(self, image, **asked):
            return np.zeros((3, 3), np.int32), [], []

    stand_in(monkeypatch, "cellpose", "models", CellposeModel=CellposeModel)
    with pytest.raises(DataError, match="labels of"):
        cells.detect(dna(), cells.NucleusSettings(diameter_px=20, detector="cellpose"))
