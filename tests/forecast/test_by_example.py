"""Descriptors by example: what the examples share is found in other images, kept by name, and known everywhere."""

import json

import numpy as np
import pytest

from ssrl_core.cli import main
from ssrl_core.datasets import store
from ssrl_core.datasets.creation import Metadata, create
from ssrl_core.datasets.imageset import sample
from ssrl_core.datasets.made.strokes import draw_strokes
from ssrl_core.errors import DataError, SpecError
from ssrl_core.forecast import forecast, search
from ssrl_core.forecast.by_example import define, defined, forget
from ssrl_core.runs.evaluation import descriptors

PIXELS, TABLE = draw_strokes(300, seed=5)
ORDER = TABLE["thickness_px"].to_numpy()[:200].argsort()
THIN, THICK = ORDER[:15].tolist(), ORDER[-15:].tolist()


def strokes(name="bold-strokes"):
    return create(name, PIXELS, TABLE, Metadata(label="digit"))


def test_other_images_are_ordered_by_what_the_examples_share():
    images = strokes()
    bold = define(images, "bold", THICK, THIN)
    assert bold.right > 0.8
    others = np.setdiff1d(np.arange(300), [*THIN, *THICK])
    values = bold.values(images, others)
    assert np.corrcoef(values, TABLE["thickness_px"].to_numpy()[others])[0, 1] > 0.7
    ends = [bold.values(images, np.array(ids)).mean() for ids in (THIN, THICK)]
    assert ends == pytest.approx([0, 1], abs=0.02)
    again = defined(store.load(images.name))["bold"]
    assert (again.like, again.unlike, again.right) == (tuple(THICK), tuple(THIN), bold.right)
    assert np.array_equal(again.values(images, others[:5]), values[:5])


def test_a_forecast_and_a_search_know_it_by_its_name(monkeypatch):
    images = strokes()
    define(images, "bold strokes", THICK, THIN)
    found = forecast(images, "mnist-rotation-crop", bank="live", images=300, views=3)
    row = next(row for row in found.kept if row.name == "bold strokes")
    assert row.kind == "descriptor"
    assert row.plain > 0.5
    assert row.icc is not None
    assert row.icc > 0.3
    for name, value in (("_QUICK", 120), ("_AGAIN", 120), ("_FINALISTS", 2), ("_VIEWS", 2), ("DEFAULT", "live")):
        monkeypatch.setattr(f"ssrl_core.forecast.searching.{name}", value)
    wished = search(images, {"bold strokes": "keep", "classes": "ignore"}, candidates=2)
    assert all("bold strokes" in one.kept for one in wished.front)


def test_images_that_were_changed_since_have_none_and_smaller_copies_have_it():
    images = strokes()
    define(images, "bold", THICK, THIN)
    assert "bold" in defined(sample(images, np.arange(20), 14))
    (images.folder / "by_example.json").write_text((images.folder / "by_example.json").read_text().replace("bold", "b"))
    assert set(defined(images)) == {"b"}
    data = json.loads((images.folder / "by_example.json").read_text())
    (images.folder / "by_example.json").write_text(json.dumps(data | {"fingerprint": "other"}))
    assert defined(images) == {}
    (images.folder / "by_example.json").write_text("{")
    assert defined(images) == {}


def test_its_column_comes_and_goes_and_the_others_are_not_measured_again(monkeypatch):
    images = strokes()
    first = descriptors.make(images)
    define(images, "bold", THICK, THIN)
    assert descriptors.read(images) is None
    monkeypatch.setattr(descriptors, "_measured", None)
    table = descriptors.make(images)
    assert table[first.columns].equals(first)
    assert descriptors.read(images).equals(table)
    bold = table["bold"].copy()
    define(images, "bold", THIN, THICK)
    assert np.corrcoef(descriptors.make(images)["bold"], bold)[0, 1] < -0.9
    forget(images, "bold")
    assert list(descriptors.make(images).columns) == list(first.columns)


@pytest.mark.parametrize(
    ("name", "like", "unlike", "said"),
    [
        ("", THICK, THIN, "name must be 1 to 60 letters"),
        ("brightness", THICK, THIN, "name must be one that means nothing else"),
        ("stroke thickness", THICK, THIN, "means nothing else"),
        ("digit", THICK, THIN, "means nothing else"),
        ("exposure", THICK, THIN, "means nothing else"),
        ("intensity DNA", THICK, THIN, "means nothing else"),
        ("bold", THICK[:1], THIN, "like must be 2 images or more, got 1"),
        ("bold", THICK, [], "unlike must be 2 images or more"),
        ("bold", [*THICK, 300], THIN, "like must be ids in 0..299"),
        ("bold", THICK, [*THIN, THICK[0]], "in one of the two lists only"),
    ],
)
def test_what_cannot_be_is_answered_and_nothing_is_written(name, like, unlike, said):
    images = strokes()
    with pytest.raises(SpecError, match=said):
        define(images, name, like, unlike)
    assert not (images.folder / "by_example.json").exists()


def test_examples_that_are_all_the_same_are_refused():
    images = create("grey", np.full((60, 1, 16, 16), 9, np.uint8), TABLE.iloc[:60], Metadata())
    with pytest.raises(DataError, match="different from one another"):
        define(images, "bold", [0, 1], [2, 3])


def test_the_command_makes_it_says_its_ends_and_takes_it_away(capsys):
    images = strokes()

    def told(*options):
        code = main(["descriptors", images.name, *options, "--json"])
        return code, json.loads(capsys.readouterr().out)

    lists = ["--like", *map(str, THICK), "--unlike", *map(str, THIN)]
    code, made = told("--call", "bold", *lists)
    assert code == 0
    row = made["data"]["by_example"]["bold"]
    assert row["like"] == THICK
    assert len(row["most"]) == len(row["least"]) == 8
    thickness = TABLE["thickness_px"].to_numpy()
    assert thickness[row["most"]].mean() > thickness[row["least"]].mean() + 1
    assert "bold" in made["data"]["descriptors"]
    assert told(*lists)[0] == 2
    assert told("--forget", "sharp")[0] == 2
    assert told("--forget", "bold")[1]["data"]["by_example"] == {}
