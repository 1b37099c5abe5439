"""Wishes are read and checked before anything is forecast."""

from __future__ import annotations

import pytest

from ssrl_core.analysis.descriptors import DESCRIPTORS
from ssrl_core.errors import SpecError
from ssrl_core.specs.transforms import TRANSFORMS
from ssrl_core.specs.wishes import GROUPS, Wishes, dump_wishes, load_wishes
from ssrl_core.specs.yaml_files import parse_yaml

KNOWN = {"stroke thickness": "stroke_thickness"} | {
    name: name for name in ("stroke_thickness", "brightness", "contrast", "digit")
}


def test_what_was_written_comes_back_byte_for_byte(tmp_path):
    wishes = Wishes("strokes", {"classes": "keep", "stroke thickness": "ignore", "µm": "keep"}, 40, 7, "whole")
    (tmp_path / "w.yaml").write_text(dump_wishes(wishes), encoding="utf-8")
    assert load_wishes(tmp_path / "w.yaml") == wishes
    assert dump_wishes(load_wishes(parse_yaml(dump_wishes(wishes), "w"))) == dump_wishes(wishes)


def test_a_name_may_be_a_target_its_title_the_classes_or_a_group():
    wishes = Wishes("s", {"classes": "keep", "stroke thickness": "ignore", "exposure": "ignore"})
    meaning = wishes.meaning(KNOWN, "digit")
    assert meaning == {
        "classes": ("digit",),
        "stroke thickness": ("stroke_thickness",),
        "exposure": ("brightness", "contrast"),
    }


def test_groups_are_of_descriptors_and_have_names_of_their_own():
    members = [name for group in GROUPS.values() for name in group]
    assert set(members) <= set(DESCRIPTORS)
    assert not set(GROUPS) & (set(DESCRIPTORS) | {row.title for row in DESCRIPTORS.values()})


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "must be a mapping"),
        ({"wishes": {"hue": "keep"}}, "dataset must be the name of an image set"),
        ({"dataset": "s"}, "wishes must be one or more"),
        ({"dataset": "s", "wishes": ["hue"]}, "wishes must be a mapping NAME: keep"),
        ({"dataset": "s", "wishes": {"hue": "don't care"}}, "Leave it out where you do not care"),
        ({"dataset": "s", "wishes": {"hue": ["keep"]}}, "must be keep or ignore"),
        ({"dataset": "s", "wishes": {"hue": "keep"}, "candidates": 0}, "candidates must be a whole number"),
        ({"dataset": "s", "wishes": {"hue": "keep"}, "candidates": 10_001}, "in 1..10000"),
        ({"dataset": "s", "wishes": {"hue": "keep"}, "seed": "five"}, "seed must be a whole number"),
        ({"dataset": "s", "wishes": {"hue": "keep"}, "input": "half"}, "input must be"),
        ({"dataset": "s", "wish": {"hue": "keep"}}, "Did you mean 'wishes'"),
        ({"dataset": "s", "wishes": {"hue": "keep"}, "version": 2}, "Update Viewloom"),
    ],
)
def test_a_wrong_file_is_answered_with_place_rule_and_remedy(data, said):
    with pytest.raises(SpecError, match=said):
        Wishes.from_mapping(data)


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"brightnes": "keep"}, "Did you mean 'brightness'.*There is: classes, .*stroke_thickness.*exposure"),
        ({"colour": "keep"}, "There is"),
        ({"classes": "keep", "digit": "ignore"}, "without contradiction, got 'classes: keep, digit: ignore'"),
        ({"exposure": "ignore", "brightness": "keep"}, "without contradiction"),
        ({"stroke thickness": "keep", "stroke_thickness": "keep"}, "one wish for each thing"),
    ],
)
def test_unknown_names_and_contradictions_are_named(wishes, said):
    with pytest.raises(SpecError, match=said):
        Wishes("s", wishes).meaning(KNOWN, "digit")


def test_classes_of_images_without_labels_are_refused():
    with pytest.raises(SpecError, match="an image set with labels"):
        Wishes("s", {"classes": "keep"}).meaning(KNOWN, None)


def test_a_missing_file_names_an_example():
    with pytest.raises(SpecError, match=r"docs/examples/wishes\.yaml"):
        load_wishes("nowhere.yaml")


def test_the_key_is_of_the_wishes_and_the_seed_and_not_of_how_many_are_tried():
    keys = [Wishes("s", {"hue": "keep"}, n, seed).key for n, seed in ((10, 5), (20, 5), (10, 6))]
    assert keys[0] == keys[1] != keys[2]


def test_what_a_search_draws_lies_within_what_a_step_may_be():
    for row in TRANSFORMS.values():
        for parameter in row.parameters:
            if parameter.search is not None:
                low, high = parameter.search
                assert parameter.low <= low < high <= parameter.high, (row.name, parameter.name)
                assert not parameter.log or low > 0
            else:
                assert parameter.kind not in ("range", "amplitude") or parameter.name == "ratio"


def test_a_name_with_a_comma_stays_one_name_in_a_sentence():
    wishes = Wishes("strokes", {"place, left to right": "keep", "digit": "keep", "texture": "ignore"})
    assert wishes.sentence() == "keep “place, left to right”, digit; ignore texture"
