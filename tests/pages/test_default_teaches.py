"""What the Train button starts untouched ends above raw pixels on every image set that ships, within three minutes."""

import time

import numpy as np
import pytest

from pages.ui.train import draft as drafts
from ssrl_core import stores
from ssrl_core.datasets import store
from ssrl_core.datasets.builtin import BUILT_IN
from ssrl_core.datasets.creation import Metadata, create
from ssrl_core.datasets.kinds import CELLS, DRAWINGS, GREY, PHOTOGRAPHS, fits, kind_of
from ssrl_core.datasets.made import example
from ssrl_core.runs.child import train
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.folder.verdict import standing, verdict
from ssrl_core.runs.queue.identity import identify
from tests.kit import FULL, ROOT, make_imageset, shared

SETS = ("strokes", "digits", "simulated-cells", "simulated-nocodazole", "mnist", "cifar10") if FULL else ("digits",)
_TWO_CORES_S = 360.0  # three minutes of two cores, in seconds of one


@pytest.fixture(autouse=True)
def shipped(monkeypatch):
    """The example as it ships."""
    monkeypatch.setenv("SSRL_DEMO", str(ROOT / "models" / "demo"))


def untouched(name):
    """The draft of the Train page after nothing but the images was chosen."""
    return drafts.put(drafts.fresh(drafts.STARTS[drafts.SOLVED].spec), "dataset.name", name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [example.STROKES, example.CELLS, *SETS])
def test_untouched_it_ends_above_raw_pixels_in_ami_and_knn(name):
    if name in ("mnist", "cifar10"):
        _brought(name)
    elif name in BUILT_IN:
        store.load(name)
    draft = untouched(name)
    if not FULL:  # the time is looked at in full only
        draft["evaluate"] |= {"read": False, "forecast": False, "linear": None, "layouts": []}
    spec = drafts.spec_of(draft)
    run = identify(spec)
    stores.replace(stores.runs_root() / run.id / "spec.yaml", run.text)
    began = time.process_time()
    assert train.attempt(stores.runs_root() / run.id, by_hand=False) == 0
    assert time.process_time() - began < _TWO_CORES_S
    results = RunFolder(run.id).results()
    pixels = results.reference("pixels")
    assert next(iter(results.clusters.values())).ami > pixels.ami
    assert results.knn.top1 > pixels.knn
    assert standing(results).startswith(("Better than raw pixels", "About as good"))
    assert "its features alone" in verdict(results, trained=False, solved=True)


def _brought(name):
    """Real images of the shared data under the name of the set that would be fetched."""
    data = np.load(shared({"mnist": "data/mnist/mnist.npz", "cifar10": "data/cifar10/cifar10_small.npz"}[name]))
    parts = [(data[f"x_{part}"][:4000], data[f"y_{part}"][:4000].ravel(), part) for part in ("train", "test")]
    pixels = np.concatenate([x for x, _, _ in parts])
    pixels = pixels[:, None] if pixels.ndim == 3 else np.moveaxis(pixels, -1, 1)
    import pandas as pd

    table = pd.DataFrame(
        {
            "label": np.concatenate([y for _, y, _ in parts]).astype(str),
            "split": np.concatenate([[part] * len(x) for x, _, part in parts]),
        }
    )
    create(name, np.ascontiguousarray(pixels), table, Metadata(label="label"))


def test_one_begins_with_what_suits_the_kind_of_the_pictures():
    make_imageset(name="photos", c=3, side=96)
    make_imageset(name="grey", c=1, side=96)
    make_imageset(name="small", c=1, side=28)
    kinds = {"photos": PHOTOGRAPHS, "grey": GREY, "small": DRAWINGS, example.CELLS: CELLS, example.STROKES: DRAWINGS}
    for name, kind in kinds.items():
        assert kind_of(store.load(name)) is kind
        draft = untouched(name)
        assert draft["terms"][0]["composition"]["name"] == kind.composition
        assert draft["evaluate"]["input"] == kind.input
    assert drafts.put(untouched(example.CELLS), "dataset.name", example.STROKES)["evaluate"]["clusters"] == [10]
    assert not fits(PHOTOGRAPHS, "mnist-first-set")


def test_what_one_chose_stays_where_it_fits_and_photographs_never_stand_under_digits():
    make_imageset(name="photos", c=3, side=96)
    make_imageset(name="small", c=1, side=28)
    chosen = drafts.set_composition(untouched("small"), 0, "mnist-second-set")
    assert drafts.put(chosen, "dataset.name", example.STROKES)["terms"] == chosen["terms"]
    assert drafts.put(chosen, "dataset.name", "photos")["terms"][0]["composition"]["name"] == "cifar-base"
    own = drafts.set_composition(chosen, 0, "mnist-second-set")
    own["terms"][0]["composition"]["steps"] = own["terms"][0]["composition"]["steps"][:2]
    assert drafts.put(own, "dataset.name", "photos")["terms"] == own["terms"]
