"""Pairs of different images that share a value: a slow twin, measured frequencies, every view of its own image."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from ssrl_core.compositions.draws import draw
from ssrl_core.compositions.pairs import draw_shown, pair_words, partners
from ssrl_core.compositions.random_numbers import unit
from ssrl_core.compositions.views import make_views, strip
from ssrl_core.errors import SpecError
from ssrl_core.specs.composition import Composition, ViewGroup, dump, load, parse, preset_names
from ssrl_core.specs.steps import Step

VALUES = ["a", "b", "a", "a", "c", None, "b", "a", "a", "d", "d", "d"]
STEPS = (Step("rotation"), Step("channel_gain"))


def images(values=VALUES, **columns):
    return SimpleNamespace(table=pd.DataFrame({"kind": values, **columns}))


def paired(count=2, column="kind", steps=STEPS, **groups):
    return Composition("some", (ViewGroup("view", count, steps), *groups.values()), pair=column)


def slow_draw(values, among, ids, words):
    """Partner by partner, from the definition."""
    found = [list(ids)]
    gone = [[int(i)] for i in ids]
    for row in words[1:]:
        line = []
        for place, image in enumerate(ids):
            every = [j for j in among if values[j] is not None and values[j] == values[image] and j != image]
            left = [j for j in every if j not in gone[place]]
            if every and not left:
                gone[place], left = [int(image)], every
            line.append(left[int(float(unit(row[place : place + 1])[0]) * len(left))] if left else int(image))
            gone[place].append(line[-1])
        found.append(line)
    return np.array(found)


@pytest.mark.parametrize("among", [range(12), [0, 1, 2, 4, 7, 9, 10]])
def test_partners_are_those_of_a_slow_twin(among):
    chance, ids = np.random.default_rng(0), np.arange(12)
    found = partners(images(), paired(7), np.array(among))
    for _ in range(20):
        words = chance.integers(0, 2**32, (7, 12))
        np.testing.assert_array_equal(found.draw(ids, words), slow_draw(VALUES, list(among), ids, words))


def test_every_other_image_of_the_value_is_drawn_as_often_and_never_the_image_itself():
    made = paired()
    found = partners(images(), made, np.arange(12))
    counts: Counter[int] = Counter()
    for epoch in range(1500):
        counts.update(draw(made, [0], seed=5, epoch=epoch, partners=found).images[1].tolist())
    assert set(counts) == {2, 3, 7, 8}
    np.testing.assert_allclose(np.array(list(counts.values())) / 1500, 0.25, atol=4 * np.sqrt(0.25 * 0.75 / 1500))


def test_many_views_are_of_different_images_until_all_were_drawn():
    found = partners(images(), paired(9), np.arange(12))
    drawn = draw(paired(9), [0, 9], seed=1, epoch=2, partners=found).images
    assert set(drawn[1:5, 0]) == set(drawn[5:9, 0]) == {2, 3, 7, 8}
    assert set(drawn[1:3, 1]) == {10, 11}


def test_an_image_whose_value_nobody_shares_pairs_with_itself_and_it_is_said():
    found = partners(images(), paired(), np.arange(12))
    drawn = draw(paired(), np.arange(12), seed=0, epoch=0, partners=found).images
    assert drawn[1, 4] == 4  # the only c
    assert drawn[1, 5] == 5  # no value
    assert pair_words(found, np.arange(12)) == [
        "2 of 12 images share their kind with no other image to learn from and pair with themselves"
    ]
    assert pair_words(None, np.arange(12)) == []


def test_a_draw_is_the_same_in_any_batch_and_every_epoch_has_its_own():
    found = partners(images(), paired(), np.arange(12))
    whole = draw(paired(), np.arange(12), seed=3, epoch=1, partners=found)
    rows = np.array([8, 0, 11])
    part = draw(paired(), rows, seed=3, epoch=1, partners=found)
    np.testing.assert_array_equal(part.images, whole.images[:, rows])
    other = draw(paired(), np.arange(12), seed=3, epoch=2, partners=found)
    assert (other.images[1] != whole.images[1]).any()
    plain = draw(Composition("some", paired().views), np.arange(12), seed=3, epoch=1)
    for one, two in zip(plain.groups[0].steps, whole.groups[0].steps, strict=True):
        for name, values in one.values.items():
            np.testing.assert_array_equal(values, two.values[name])


@pytest.mark.parametrize("slow", [False, True])
def test_each_view_is_made_of_its_own_image(monkeypatch, slow):
    if slow:
        monkeypatch.setattr("ssrl_core.compositions.views._compiles", lambda source: False)
    pixels = np.random.default_rng(0).integers(0, 256, (12, 2, 9, 9), dtype=np.uint8)
    made = paired(2, other=ViewGroup("other", 3, (Step("vertical_flip", 0.5),)))
    drawn = draw(made, [9, 0, 1], seed=4, epoch=0, partners=partners(images(), made, np.arange(12)))
    views = torch.cat(make_views(pixels[drawn.needed], drawn, made, max_value=255))
    for view in range(5):
        for row in range(3):
            alone = Composition("some", made.views)  # the same draws, of one image
            same = draw(alone, drawn.image_ids, seed=4, epoch=0)
            of = pixels[np.full(3, drawn.images[view, row])]
            expected = torch.cat(make_views(of, same, alone, max_value=255))[view, row]
            assert torch.equal(views[view, row], expected)
    shown = strip(pixels[[drawn.image_of(1, 0)]], drawn, made, max_value=255, view=1)
    assert torch.equal(shown[-1][1], views[1, 0])


def test_wells_of_two_plates_are_two_wells():
    table = images(well=["A01"] * 12, plate=["p"] * 6 + ["q"] * 6)
    found = partners(table, paired(column="well"), np.arange(12))
    assert set(found.draw(np.zeros(1, int), np.random.default_rng(0).integers(0, 2**32, (6, 1)))[:, 0]) == set(range(6))


def test_numbers_are_values_too():
    found = partners(images([1.5, 2.0, 1.5, np.nan]), paired(), np.arange(4))
    assert found.others(np.arange(4)).tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("pair", "said"),
    [("colour", "image or a column of the table .kind."), ("empty", "a column that is filled"), ("", "pair must be")],
)
def test_a_pair_that_cannot_be_is_refused_with_the_columns(pair, said):
    with pytest.raises(SpecError, match=said):
        partners(images(empty=[None] * 12), paired(column=pair), np.arange(12))


def test_pixels_without_a_table_cannot_pair():
    with pytest.raises(SpecError, match="Name an image set"):
        draw(paired(), [1, 2], seed=0, epoch=0)
    with pytest.raises(SpecError, match="images without a table"):
        draw_shown(object(), paired(), [1, 2], seed=0)


def test_it_reads_and_writes_and_what_was_before_keeps_its_text():
    made = paired()
    assert parse(dump(made)) == made
    assert "pair: kind" in dump(made)
    assert "share their kind" in made.sentence()
    for name in preset_names():
        assert "pair" not in load(name).to_mapping()
    two = Composition("two", (ViewGroup("a", 1), ViewGroup("b", 1)), pair="well")
    assert Composition.from_mapping(two.to_mapping()) == two
