"""The second reading: an image against one view, crops of the side, what the momentum network says; labels stay."""

from __future__ import annotations

import pytest

from ssrl_core.compositions.draws import shown_of
from ssrl_core.errors import SpecError
from ssrl_core.paper import authors, bases, running
from ssrl_core.paper.items import ITEMS
from ssrl_core.specs.composition import load
from ssrl_core.specs.methods import METHODS

PAIRED = [(name, scale) for name in authors.READ for scale in ("instant", "small")]


@pytest.mark.parametrize(("name", "scale"), PAIRED)
def test_every_composition_is_an_image_against_one_view_under_the_name_that_it_had(name, scale):
    plain = running.evidence(name, scale)
    read = running.evidence(name, f"{scale}{authors.SUFFIX}")
    assert list(read.specs) == list(plain.specs)
    assert read.scale == scale
    for sweep, spec in ((sweep, spec) for sweep, spec in read.specs.items() if not sweep.endswith(bases.UNSOLVED)):
        before, runs = plain.specs[sweep].runs()[0].spec, [one.spec for one in spec.runs()]
        trained = before.method.name in METHODS  # a network as it was before training has no teacher
        assert {one.evaluate.embed for one in runs} == {"teacher" if trained else "backbone"}
        for one in runs:
            for term in one.terms:
                assert [group.count for group in term.composition.views] == [1, 1]
                assert {group.role for group in term.composition.views} == {"global"}
        first = runs[0].terms[0].composition
        assert first.name == before.terms[0].composition.name
        assert {group.size for group in first.views} == {before.terms[0].composition.views[0].size}


def test_digits_are_cropped_by_side_and_the_sides_of_a_run_are_one():
    spec = next(iter(running.evidence("figure-4", "instant-authors").specs.values())).runs()[0].spec
    image, view = spec.terms[0].composition.views
    assert image.steps == ()
    assert [step.transform for step in view.steps] == ["pad", "rotation", "side_crop", "invert", "color_jitter"]
    assert view.steps[2].once == ("side",)


def test_the_centre_is_what_is_shown_where_the_view_has_one():
    specs = running.evidence("figure-6", "instant-authors").specs["figure-6 instant"].runs()
    shown = [shown_of(one.spec) for one in specs]
    assert [one is None for one in shown[:: len(shown) // 2]] == [True, False]
    assert shown[-1].views[0].steps[0].settings["side"] == (0.4, 0.4)


@pytest.mark.parametrize(("scale", "side"), [("instant", 0.5), ("instant-authors", 0.4)])
def test_unsolved_features_are_shown_what_the_solved_ones_are_and_nothing_is_drawn(scale, side):
    specs = running.evidence("figure-6", scale).specs
    solved, unsolved = (
        [one.spec for one in specs[name].runs()] for name in ("figure-6 instant", "figure-6 instant unsolved")
    )
    assert [shown_of(one) and shown_of(one).steps for one in unsolved] == [
        shown_of(one) and shown_of(one).steps for one in solved
    ]
    for one, before in zip(unsolved, solved, strict=True):
        made = one.terms[0].composition
        assert made.name == before.terms[0].composition.name
        assert {step.settings["side"] for step in made.steps} == ({(side, side)} if "right" in made.name else set())
        assert (one.seed, one.method, one.evaluate) == (before.seed, before.method, before.evaluate)


def test_a_composition_without_a_twin_stands_against_the_image_turned_and_mirrored():
    steps = load("cells-figure6-left").to_mapping()["steps"][:2]
    read = authors.as_authors([{"composition": {"name": "some", "steps": steps}, "weight": 0.4}])
    assert read[0]["weight"] == 0.4
    view, image = read[0]["composition"]["views"]
    assert view["steps"] == steps
    assert [step["transform"] for step in image["steps"]] == ["rotation", "horizontal_flip"]


def test_lpips_is_measured_of_the_image_against_its_view():
    kind, given = ITEMS["table-2"].plans["instant-authors"].measures["lpips"]
    assert kind == "lpips"
    assert set(given["compositions"].values()) == {f"{name}-authors" for name in given["compositions"]}
    assert "lpips readings" not in ITEMS["table-2"].plans["small-authors"].measures


def test_an_item_that_the_code_says_nothing_of_has_no_second_reading():
    with pytest.raises(SpecError, match="earlier code is of digits and cells"):
        running.evidence("figure-1", "instant-authors")


def test_the_command_takes_the_reading(capsys):
    from ssrl_core.cli import main

    assert main(["paper", "compare", "figure-4", "--scale", "instant", "--reading", "authors", "--json"]) == 0
    assert '"scale": "instant-authors"' in capsys.readouterr().out


def test_claims_stand_beside_each_other_and_it_is_said_where_the_images_were_others(monkeypatch, capsys):
    from ssrl_core.cli import main

    rows = authors.beside(["instant"])
    figure_6 = [row for row in rows if row["id"] == "figure-6"]
    assert [row["claim"] for row in figure_6] == [c["claim"] for c in running.shown("figure-6", "instant")["contrasts"]]
    assert not any(row["other_images"] for row in figure_6)
    assert "†" not in authors.markdown(figure_6)
    shown = running.shown

    def on_others(name, scale):
        found = shown(name, scale)
        return found | ({"imagesets": dict.fromkeys(found.get("imagesets", ()), "other")} if "authors" in scale else {})

    monkeypatch.setattr(running, "shown", on_others)
    text = authors.markdown(authors.beside(["instant"]))
    assert "| figure-6 † | instant |" in text
    assert "different images of the same kind" in text
    assert main(["paper", "readings"]) == 0
    assert "| figure-6 † | instant |" in capsys.readouterr().out
