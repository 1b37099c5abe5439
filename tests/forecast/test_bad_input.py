"""What images, compositions and wishes can be wrong: the library and the command answer alike, nothing half-written."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ssrl_core as vl
from ssrl_core import stores
from ssrl_core.cli import main
from ssrl_core.datasets.creation import Metadata, create
from ssrl_core.errors import DataError, SpecError, SSRLError

FLIPS = "mnist-rotation-crop-flips"
CHANNEL_FACTS = {"channel_stats.json"}  # an index, made again at will


def images(count=60, channels=1, dtype="uint8", **columns):
    rng = np.random.default_rng(0)
    top = np.iinfo(dtype).max
    pixels = (rng.random((count, channels, 16, 16)) * rng.random((count, channels, 1, 1)) * top).astype(dtype)
    return pixels, pd.DataFrame(columns, index=range(count))


def constant(count=60):
    return np.full((count, 1, 16, 16), 9, np.uint8), pd.DataFrame(index=range(count))


KINDS = ["a", "b"] * 30
ANSWERED = {
    "one class": (images(kind=["a"] * 60), FLIPS, "missing", "kind: images of fewer than two classes"),
    "no labels": (images(), FLIPS, "missing", "classes: the image set has no labels"),
    "a constant column": (images(kind=KINDS, dose=[3.0] * 60), FLIPS, None, ""),
    "a constant descriptor": (images(kind=KINDS), FLIPS, "missing", "hue: the same for every image"),
    "views that are all equal": (images(kind=KINDS), "identity", "guards", "All views of an image are equal"),
    "more features than views": (images(kind=KINDS), FLIPS, "guards", "60 views are few for the 576 numbers"),
    "five channels": (images(channels=5, kind=KINDS), FLIPS, None, ""),
    "16 bit": (images(dtype="uint16", kind=KINDS), FLIPS, None, ""),
}
REFUSED = {
    "two images": (images(2), FLIPS, {}, SpecError, "images must be 40 or more"),
    "constant images": (constant(), FLIPS, {}, DataError, "images must be different from one another"),
    "missing weights": (images(kind=KINDS), FLIPS, {"bank": "resnet18"}, SpecError, "weights must be"),
    "an unknown bank": (images(kind=KINDS), FLIPS, {"bank": "randm"}, SpecError, "Did you mean random"),
    "an unknown composition": (images(kind=KINDS), "mnist-frist-set", {}, SpecError, "mnist-first-set"),
    "a missing run as a bank": (images(kind=KINDS), FLIPS, {"bank": "run:none"}, SpecError, "a run whose encoder is"),
}
WISHES = {
    "that contradict each other": ({"exposure": "keep", "brightness": "ignore"}, "without contradiction"),
    "twice for one thing": ({"exposure": "keep", "brightness": "keep"}, "one wish for each thing"),
    "for what no image has": ({"hue": "keep"}, "something that differs among these images"),
    "of no name": ({"brightnes": "keep"}, "Did you mean 'brightness'"),
    "that are none": ({}, "one or more"),
    "of another word": ({"brightness": "loose"}, "keep or ignore"),
}


@pytest.fixture(autouse=True)
def without_a_network(monkeypatch):
    def refuse(*args, **ways):
        raise OSError("no net")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", refuse)


def made(pixels, table):
    label = "kind" if "kind" in table else None
    return create("odd", pixels, table, Metadata(label=label))


def files() -> set[str]:
    found = (path for root in (stores.data_root(), stores.models_root()) for path in Path(root).rglob("*"))
    return {str(path) for path in found if path.is_file() and path.name not in CHANNEL_FACTS}


def asked(way, capsys, composition, **options):
    """(data of the answer, None), or (None, (kind, message))."""
    if way == "library":
        try:
            return vl.forecast("odd", composition, views=2, **{"bank": "live", **options}).to_json(), None
        except SSRLError as error:
            return None, (type(error), str(error))
    words = [part for name, value in {"bank": "live", **options}.items() for part in (f"--{name}", value)]
    code = main(["forecast", composition, "--dataset", "odd", "--views", "2", *words, "--json"])
    document = json.loads(capsys.readouterr().out)
    if document["ok"]:
        return document["data"], None
    assert code == 2
    error = document["error"]
    return None, ({"SpecError": SpecError, "DataError": DataError}[error["type"]], error["message"])


@pytest.mark.parametrize("way", ["library", "command"])
@pytest.mark.parametrize("case", ANSWERED)
def test_what_is_odd_is_answered_and_said(case, way, capsys):
    (pixels, table), composition, place, said = ANSWERED[case]
    made(pixels, table)
    data, _ = asked(way, capsys, composition)
    json.dumps(data, allow_nan=False)
    assert data["kept"]
    told = [f"{name}: {why}" for name, why in data["missing"].items()] if place == "missing" else data["guards"]
    assert place is None or any(said in text for text in told)
    assert "dose" not in {row["name"] for row in data["kept"]}


@pytest.mark.parametrize("way", ["library", "command"])
@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_in_the_houses_form_and_nothing_is_written(case, way, capsys):
    (pixels, table), composition, options, kind, said = REFUSED[case]
    made(pixels, table)
    before = files()
    data, (found, message) = asked(way, capsys, composition, **options)
    assert data is None
    assert found is kind
    assert said in message
    assert files() == before


@pytest.mark.parametrize("way", ["library", "command"])
@pytest.mark.parametrize("case", WISHES)
def test_wishes_that_cannot_be_are_refused_and_nothing_is_written(case, way, capsys, tmp_path):
    wishes, said = WISHES[case]
    made(*images(kind=KINDS))
    before = files()
    if way == "library":
        with pytest.raises(SpecError, match=said):
            vl.search("odd", wishes, candidates=2, progress=lambda share: None)
    else:
        path = tmp_path / "wishes.json"
        path.write_text(json.dumps({"version": 1, "dataset": "odd", "wishes": wishes, "candidates": 2}))
        assert main(["search", str(path), "--json"]) == 2
        assert said in json.loads(capsys.readouterr().out)["error"]["message"]
    assert files() == before
