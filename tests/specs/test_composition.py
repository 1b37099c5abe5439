"""Compositions: strict validation, both forms, byte-for-byte round trips, presets with the paper's numbers."""

import json
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssrl_core.errors import SpecError
from ssrl_core.specs.composition import (
    Branch,
    Composition,
    Step,
    ViewGroup,
    dump,
    load,
    parse,
    preset_names,
    save,
    saved_names,
)
from ssrl_core.specs.presets_table import PRESETS_TABLE
from ssrl_core.specs.transforms import TRANSFORMS


def _value(parameter):
    numbers = st.floats(parameter.low, parameter.high)
    if parameter.kind == "choice":
        return st.sampled_from(parameter.options)
    if parameter.kind == "range":
        return st.tuples(numbers, numbers).map(sorted) | numbers
    if parameter.kind == "amplitude":
        pairs = st.floats(parameter.pair_low, parameter.pair_high)
        return numbers | st.tuples(pairs, pairs).map(sorted)
    if parameter.kind == "fill" and parameter.options:
        return numbers | st.sampled_from(parameter.options)
    return numbers


@st.composite
def steps(draw):
    name = draw(st.sampled_from(sorted(TRANSFORMS)))
    given = {p.name: draw(_value(p)) for p in TRANSFORMS[name].parameters if draw(st.booleans())}
    return Step(name, draw(st.floats(0, 1)), draw(st.booleans()), given)


@st.composite
def choices(draw):
    branches = draw(
        st.lists(st.builds(Branch, st.floats(0.1, 5), st.lists(steps(), max_size=2).map(tuple)), min_size=1, max_size=3)
    )
    return Step("choice", draw(st.floats(0, 1)), branches=tuple(branches))


names = st.from_regex(r"\A[a-z0-9][a-z0-9_-]{0,20}\Z").filter(lambda n: n not in ("con", "prn", "aux", "nul"))
sizes = st.none() | st.integers(1, 4096)


@st.composite
def compositions(draw):
    groups = draw(st.integers(1, 3))
    views = [
        ViewGroup(
            f"g{i}",
            draw(st.integers(1, 4)),
            tuple(draw(st.lists(steps() | choices(), max_size=3))),
            draw(sizes),
            draw(st.sampled_from(["global", "local"])),
        )
        for i in range(groups)
    ]
    return Composition(draw(names), tuple(views))


@settings(max_examples=60)
@given(compositions())
def test_a_composition_comes_back_from_its_file_byte_for_byte(composition):
    text = dump(composition)
    assert parse(text) == composition
    assert dump(parse(text)) == text
    assert parse(json.dumps(composition.to_mapping())) == composition
    assert hash(composition) == hash(parse(text))
    assert pickle.loads(pickle.dumps(composition)) == composition
    assert composition.sentence()


def test_the_short_form_is_two_views_of_one_group():
    short = Composition.from_mapping({"name": "a", "size": 32, "steps": [{"transform": "invert", "p": 0.5}]})
    full = Composition.from_mapping(
        {
            "name": "a",
            "views": [
                {"name": "view", "count": 2, "size": 32, "role": "global", "steps": [{"transform": "invert", "p": 0.5}]}
            ],
        }
    )
    assert short == full
    assert "views" not in full.to_mapping()


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (
            {"transform": "color_jitter", "hue": 0.9},
            ["step 1 color_jitter", "hue must be in 0..0.5, got 0.9", "Lower hue"],
        ),
        ({"transform": "rotation", "degres": 3}, ["degres", "Did you mean 'degrees'"]),
        ({"transform": "rotate"}, ["step 1", "a known transform", "rotat"]),
        ({"transform": "invert", "p": 1.5}, ["p must be in 0..1, got 1.5"]),
        ({"transform": "invert", "p": True}, ["p must be"]),
        ({"transform": "resized_crop", "scale": [0.9, 0.2]}, ["low ≤ high"]),
        ({"transform": "resized_crop", "scale": [0.0, 0.2]}, ["scale must be [low, high] in 0.001..4"]),
        ({"transform": "resized_crop", "overflow": "wrap"}, ["one of reject, pad"]),
        ({"transform": "invert", "enabled": "yes"}, ["enabled must be true or false"]),
        ({"transform": "invert", "on": True}, ["on must be a setting of invert"]),
        ({"transform": "pad", "fraction": float("nan")}, ["fraction"]),
        ({"p": 0.5}, ["transform must be given"]),
        ("invert", ["a mapping with the key transform"]),
        ({"transform": "pad", "once": ["fill"]}, ["once must be of fraction", "fill"]),
        ({"transform": "rotation", "once": "degrees"}, ["once must be left out: nothing of rotation"]),
        ({"transform": "choice"}, ["of must be"]),
        ({"transform": "choice", "of": [{"weight": 0, "steps": []}]}, ["above 0"]),
        (
            {"transform": "choice", "of": [{"steps": [{"transform": "choice", "of": [{"steps": []}]}]}]},
            ["one level deep"],
        ),
    ],
)
def test_a_wrong_step_is_answered_with_place_rule_value_and_remedy(step, words):
    with pytest.raises(SpecError) as caught:
        Composition.from_mapping({"name": "strong-crop", "steps": [step]})
    assert 'Composition "strong-crop"' in caught.value.message
    for word in words:
        assert word in caught.value.message


@pytest.mark.parametrize(
    "data",
    [
        {"name": "Big Name", "steps": []},
        {"name": "con", "steps": []},
        {"version": 2, "name": "a", "steps": []},
        {"name": "a", "steps": [], "colour": 1},
        {"name": "a", "size": 0, "steps": []},
        {"name": "a", "size": "big", "steps": []},
        {"name": "a", "views": []},
        {"name": "a", "views": [{"name": "x"}, {"name": "x"}]},
        {"name": "a", "views": [{"name": "x", "count": 0}]},
        {"name": "a", "views": [{"name": "x", "role": "teacher"}]},
        {"name": "a", "steps": {"transform": "invert"}},
        [1, 2],
    ],
)
def test_a_wrong_composition_is_refused(data):
    with pytest.raises(SpecError):
        Composition.from_mapping(data)


def test_what_is_drawn_once_is_written_only_where_it_is_asked_for():
    plain = {"transform": "pad", "p": 1.0, "fraction": [0.1, 0.4], "fill": 0.0}
    assert Step.from_mapping(plain, "Step").to_mapping() == plain  # as specs of old have it: their hashes stay
    once = Step.from_mapping({**plain, "once": "fraction"}, "Step")
    assert once.to_mapping() == {**plain, "once": ["fraction"]}
    assert once.sentence() == "margin of 10 to 40 % on each side, drawn once for the whole run, always"


def test_every_preset_has_a_row_and_a_file_and_is_written_canonically():
    from ssrl_core.specs.composition import PRESETS

    assert {path.stem for path in PRESETS.glob("*.yaml")} == set(PRESETS_TABLE)
    for name in preset_names():
        text = (PRESETS / f"{name}.yaml").read_text(encoding="utf-8")
        assert load(name).name == name
        assert dump(load(name)) == text


def test_presets_carry_the_numbers_of_the_paper():
    first, second = load("mnist-first-set"), load("mnist-second-set")
    assert first.size == second.size == 32
    assert {s.transform: s for s in first.steps}["pad"]["fraction"] == (0.1, 0.4)
    assert {s.transform: s for s in first.steps}["rotation"]["degrees"] == 25
    assert {s.transform: s for s in first.steps}["resized_crop"]["scale"] == (0.5, 0.9)
    by_name = {s.transform: s for s in second.steps}
    assert by_name["rotation"]["degrees"] == 180
    assert by_name["resized_crop"]["scale"] == (0.9, 1.1)
    assert (by_name["random_erasing"].p, by_name["random_erasing"]["scale"]) == (0.5, (0.02, 0.3))
    assert by_name["horizontal_flip"].p == by_name["vertical_flip"].p == 0.5
    jitter = {s.transform: s for s in load("cells-figure6-left").steps}["color_jitter"]
    assert [jitter[k] for k in ("brightness", "contrast", "saturation", "hue")] == [0.4, 0.4, 0.4, 0.125]
    assert {s.transform: s for s in load("cells-figure6-right").steps}["center_crop"]["side"] == (0.5, 0.5)


def test_a_saved_composition_is_found_again_and_presets_are_not_overwritten(tmp_path, monkeypatch):
    monkeypatch.setenv("SSRL_MODELS", str(tmp_path))
    mine = load("cifar-base").renamed("mine")
    save(mine)
    assert saved_names() == ["mine"]
    assert load("mine") == mine
    with pytest.raises(SpecError, match="preset"):
        save(load("cifar-base"))
    with pytest.raises(SpecError, match=r"There is: .*mine"):
        load("yours")


def test_settings_are_frozen():
    step = Step("rotation", settings={"degrees": 3})
    with pytest.raises(TypeError):
        step.settings["degrees"] = 4
