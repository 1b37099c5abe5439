"""Compositions found from wishes: other wishes, other fronts; stopped and taken up again; bad wishes in words."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from ssrl_core.datasets.creation import Metadata, create
from ssrl_core.datasets.imageset import sample
from ssrl_core.datasets.made.strokes import draw_strokes
from ssrl_core.errors import RunError, SpecError, Stopped
from ssrl_core.forecast import search
from ssrl_core.forecast.candidates import Population, Space, Tried, fronts, searched, survivors, thinned
from ssrl_core.forecast.searching import _accepts, _scaled, so_far
from ssrl_core.specs.composition import Composition
from ssrl_core.specs.steps import Step
from ssrl_core.specs.wishes import Wishes

DRAWN = draw_strokes(300, seed=5)
THICK, DIGITS = {"thickness_px": "keep", "classes": "ignore"}, {"classes": "keep", "thickness_px": "ignore"}


@pytest.fixture
def few(monkeypatch):
    """A search of seconds: fewer images, the front asked again with the quick bank."""
    for name, value in (("_QUICK", 240), ("_AGAIN", 300), ("_FINALISTS", 4), ("_VIEWS", 3), ("DEFAULT", "live")):
        monkeypatch.setattr(f"ssrl_core.forecast.searching.{name}", value)


def _strokes():
    pixels, table = DRAWN
    return create("few-strokes", pixels, table, Metadata(label="digit"))


def _space(channels=1, side=28):
    return Space(side, _accepts(channels))


def _children(space, count, seed=5):
    """Steps proposed one after another, their goals by how many there are."""
    population, seen, made = Population(), set(), []
    for number in range(count):
        chance = np.random.default_rng((seed, number))
        steps = space.propose(chance, population.parents(chance), seen) if number else ()
        seen.add(steps)
        population.add(steps, (float(len(steps)), -float(sum(step.p for step in steps))))
        made.append(steps)
    return made


def test_other_wishes_find_other_compositions(few):
    images = _strokes()
    thick, digits = (search(images, wishes, candidates=22) for wishes in (THICK, DIGITS))

    def mean(found, name):
        return np.mean([one.kept[name] for one in found.front])

    assert mean(thick, "thickness_px") > mean(digits, "thickness_px")
    assert mean(digits, "classes") > mean(thick, "classes") + 0.1
    sentences = [{one.sentence for one in found.front} for found in (thick, digits)]
    assert not sentences[0] & sentences[1]


def test_the_answer_has_the_shape_of_the_contract_and_says_what_is_paid(few):
    told, shares = [], []
    found = search(_strokes(), THICK, candidates=6, progress=shares.append, on_candidate=told.append)
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert {"front", "tried"} <= set(data)
    assert data["tried"] == len(told) == 6
    assert 1 <= len(data["front"]) <= 8
    for one in data["front"]:
        composition = Composition.from_mapping(one["composition"])
        assert composition.name.startswith("for-thickness_px-not-classes-")
        assert composition.sentence() == one["sentence"]
        assert {"thickness_px", "classes", "brightness"} <= set(one["kept"])
        assert list(one["price"].values()) == sorted(one["price"].values(), reverse=True)
        assert "digit" not in one["price"]
        assert all(one["kept"][name] == pytest.approx(1 - share) for name, share in one["price"].items())
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_stopped_search_goes_on_as_if_it_had_not_been_and_tries_nothing_twice(few):
    images, told = _strokes(), []

    def stop(candidate):
        told.append(candidate)
        if len(told) == 21:
            raise Stopped("enough")

    with pytest.raises(Stopped):
        search(images, THICK, candidates=23, on_candidate=stop)
    went_on = search(images, THICK, candidates=23, on_candidate=told.append)
    assert [candidate.number for candidate in told] == list(range(23))
    other = create("other", *DRAWN, Metadata(label="digit"))
    whole = search(other, THICK, candidates=23)
    assert [one.sentence for one in went_on.front] == [one.sentence for one in whole.front]
    assert [one.kept for one in went_on.front] == [one.kept for one in whole.front]


def test_whoever_watches_sees_what_was_found_so_far_and_then_the_whole_answer(few):
    images, wishes, seen = _strokes(), Wishes("few-strokes", {"exposure": "ignore", **DIGITS}, candidates=9), []
    assert so_far(wishes, images.fingerprint, "digit") is None
    assert searched("few-strokes") == []

    def look(candidate):
        seen.append(so_far(wishes, images.fingerprint, "digit"))

    found = search(images, wishes, on_candidate=look)
    assert [(one.tried, whole) for one, whole in seen] == [(n, False) for n in range(1, 10)]
    assert set(wishes.wishes) <= set(seen[-1][0].front[0].kept)
    assert so_far(wishes, images.fingerprint, "digit") == (found, True)
    assert so_far(wishes, "other pixels", "digit") is None
    assert [one.wishes for one in searched("few-strokes")] == [wishes.wishes]


def test_a_torn_line_is_tried_again_and_other_pixels_start_anew(tmp_path):
    wishes = Wishes("s", {"hue": "keep"})
    line = json.dumps(
        {"number": 0, "origin": "identity", "steps": [], "goals": [1.0], "kept": {}, "clusters": {"k": 2, "ami": None}}
    )
    head = json.dumps({"version": 1, "fingerprint": "abc"})
    (tmp_path / "tried.jsonl").write_text(f'{head}\n{line}\n{{"number": 1, "ori')
    with Tried(tmp_path, wishes, "abc") as tried:
        assert [candidate.origin for candidate in tried.candidates] == ["identity"]
        with pytest.raises(RunError, match="runs already"), Tried(tmp_path, wishes, "abc"):
            pass
    assert (tmp_path / "tried.jsonl").read_text() == f"{head}\n{line}\n"
    with Tried(tmp_path, wishes, "other") as tried:
        assert not tried.candidates


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"thicknes_px": "keep"}, "Did you mean 'thickness_px'"),
        ({"classes": "keep", "digit": "ignore"}, "without contradiction"),
        ({"hue": "keep"}, "something that differs among these images"),
        ({"hue": "ignore"}, "something that differs among these images"),
        ({}, "one or more"),
    ],
)
def test_wishes_that_cannot_be_are_answered_and_nothing_is_written(wishes, said, tmp_path, few):
    with pytest.raises(SpecError, match=said):
        search(_strokes(), wishes, candidates=2)
    assert not (tmp_path / "store" / "models" / "searches").exists()


def test_two_images_are_too_few():
    pixels = np.random.default_rng(0).integers(0, 255, (2, 1, 16, 16), dtype=np.uint8)
    images = create("two", pixels, pd.DataFrame(index=range(2)), Metadata())
    with pytest.raises(SpecError, match="40 or more"):
        search(images, {"brightness": "keep"}, candidates=2)


def test_a_wish_that_whole_images_hardly_tell_counts_and_is_said(few):
    images = create(
        "few-strokes", DRAWN[0], DRAWN[1].assign(noise=np.sin(np.arange(300) ** 2)), Metadata(label="digit")
    )
    found = search(images, {"noise": "keep", "exposure": "ignore"}, candidates=3)
    assert "noise can hardly be read" in found.notes[0]
    assert all("noise" in one.kept for one in found.front)


def test_where_all_wishes_are_of_one_sign_the_rest_counts(few):
    found = search(_strokes(), {"exposure": "ignore"}, candidates=3)
    assert found.tried == 3
    assert all("exposure" in one.kept for one in found.front)


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_every_step_that_is_drawn_means_something_for_the_images(channels):
    accepts = _accepts(channels)
    proposed = _children(_space(channels), 150)
    drawn = {step.transform for steps in proposed for step in steps}
    assert all(accepts(step) for steps in proposed for step in steps)
    assert ("grayscale" in drawn) == (channels == 3)
    assert ("channel_drop" in drawn) == (channels > 1)
    assert "color_jitter" in drawn
    assert len(set(proposed)) == len(proposed)


def test_the_first_tried_are_presets_that_fit_and_every_transform_alone():
    origins = [origin for origin, _ in _space(1).starts()]
    assert origins[0] == "identity"
    assert "mnist-second-set" in origins
    assert "cifar-base" not in origins
    assert "rotation alone" in origins
    assert "cifar-base" in [origin for origin, _ in _space(3).starts()]


def test_proposals_follow_from_the_seed_alone():
    assert _children(_space(), 70) == _children(_space(), 70)
    assert _children(_space(), 70) != _children(_space(), 70, seed=6)


def test_fronts_are_those_of_the_definition():
    goals = np.random.default_rng(0).random((60, 3)).round(1)
    left, rank, expected = set(range(60)), 0, np.zeros(60, int)
    while left:
        front = {n for n in left if not any((goals[m] >= goals[n]).all() and (goals[m] > goals[n]).any() for m in left)}
        for n in front:
            expected[n] = rank
        left, rank = left - front, rank + 1
    assert (fronts(goals) == expected).all()
    assert set(survivors(goals, 10)) <= set(np.flatnonzero(expected <= expected[survivors(goals, 10)].max()))


def test_a_handful_leaves_out_what_reaches_nothing_in_one_goal():
    x = np.linspace(0, 1, 21)
    goals = np.stack([x, 1 - x**2], axis=1)
    chosen = thinned(goals, 5)
    assert len(chosen) == len(set(chosen)) == 5
    assert not {0, 20} & set(chosen)
    assert thinned(goals[:1], 5) == [0]


def test_a_handful_keeps_what_is_a_hair_worse_in_one_goal_and_far_better_in_another():
    goals = np.array([[1.01, 0.1], [1.005, 0.3], [1.0, 1.0]])
    assert thinned(goals, 3)[0] == 2


def test_pixels_of_a_setting_follow_the_side_of_the_view():
    step = Step("gaussian_blur", settings={"sigma": (1.0, 3.0)})
    assert _scaled(step, 0.5).settings["sigma"] == (0.5, 1.5)
    assert _scaled(Step("rotation", settings={"degrees": 20.0}), 0.5) == Step("rotation", settings={"degrees": 20.0})


def test_a_sample_holds_its_images_smaller_with_their_rows():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 60000, (50, 2, 96, 48)).astype(np.uint16)
    whole = create("tall", pixels, pd.DataFrame({"n": range(50)}), Metadata())
    some = sample(whole, np.array([7, 3]), 24)
    assert some.pixels.shape == (2, 2, 48, 24)
    assert (some.pixels.dtype, some.count, some.shape) == (np.uint16, 2, (2, 48, 24))
    assert list(some.table["n"]) == [7, 3]
    assert some.pixels[0].mean() == pytest.approx(pixels[7].mean(), rel=0.01)
    assert np.allclose(some.channel_stats(), whole.channel_stats())
    assert (sample(whole, np.array([7]), 48).pixels[0] == pixels[7]).all()
