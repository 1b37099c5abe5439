"""Published beside ours: every number has one place, what was measured comes first, and words say what ids mean."""

import pytest

from ssrl_core import cli
from ssrl_core.paper import cost, report, words
from ssrl_core.paper.items import IDS, ITEMS


def row(name, column, published=None, ours=None, sd=None, n=0):
    return {"row": name, "column": column, "published": published, "ours": ours, "sd": sd, "n": n}


ROWS = [
    row("first_set · moco_v2 vgg13", "nocodazole", 0.19),
    row("first_set · moco_v2 vgg13", "taxol", 0.16),
    row("cells-first-set", "simulated nocodazole", None, 0.022, 0.011, 5),
    row("cells-first-set", "BBBC021 Microtubule stabilizers", None, 0.048, 0.003, 3),
    row("ImageNet vgg16", "simulated nocodazole", None, 0.024, None, 5),
]


def test_ours_stand_beside_the_nearest_published_number_and_it_is_marked():
    (block,) = report.measured("table-3", ROWS)
    assert block.rows == ("cells-first-set", "ImageNet vgg16")  # has some of the columns: the same table
    cell = block.cells["cells-first-set", "BBBC021 Microtubule stabilizers"]
    assert (cell.published, cell.ours, cell.nearest) == (0.16, 0.048, True)
    assert report.cell_words("table-3", *("cells-first-set", "simulated nocodazole"), cell, "published") == "≈ 0.16"
    assert block.cells["ImageNet vgg16", "simulated nocodazole"].published is None
    assert block.has_nearest
    assert report.has_both([block])


def test_what_is_measured_of_several_sets_stands_below_one_heading():
    said = ("AMI with treatment", "AMI with response (K = 4)", "top-1")
    sets = ("simulated taxol", "simulated taxol, whole images")
    rows = [row("cells-first-set", f"{one}, {what}", None, 0.1, 0.01, 5) for one in sets for what in said]
    rows += [row("ImageNet vgg16", "simulated taxol, AMI with treatment", None, 0.2, None, 1), *ROWS[:2]]
    ((taxol, whole),) = report.tables(report.measured("table-3", rows))
    assert (taxol.group, whole.group) == sets
    assert taxol.rows == ("cells-first-set", "ImageNet vgg16")
    kinds = report.kinds([taxol, whole])
    assert kinds[:2] == [("AMI with treatment", "published"), ("AMI with treatment", "ours")]
    usual = report.usual_n("table-3", [taxol, whole], "AMI with treatment")
    cells = [
        report.cell_words("table-3", r, "AMI with treatment", c, "ours", usual) for (r, _), c in taxol.cells.items()
    ]
    assert (usual, cells[0], cells[-1]) == ("n = 5 seeds", "0.100 ± 0.010", "0.200 (n = 1 seed)")
    told = [row("spectral μ = 0.1", f"{what}, {x} hundred", None, 0.1, None, 20) for x in ("hue", "crop size")
            for what in ("mean", "std")]  # fmt: skip
    ((hue, crop),) = report.tables(report.measured("figure-1", told))
    assert (hue.columns, words.row_name(crop.group)) == (("mean", "std"), "Crop size, a hundred classes")


def test_the_same_network_is_not_marked_as_the_nearest():
    rows = [row("byol", "vgg11", 0.613, 0.7, 0.01, 5), row("byol", "tiny_cnn", None, 0.85, 0.01, 3)]
    (block,) = report.measured("table-8", rows)
    assert not block.cells["byol", "vgg11"].nearest
    assert block.cells["byol", "tiny_cnn"].nearest


@pytest.mark.parametrize("name", IDS)
def test_every_published_number_has_one_place_until_it_is_measured(name):
    rows = [vars(r) for r in ITEMS[name].published()]
    blocks = report.published_only(rows)
    assert sum(len(block.cells) for block in blocks) == len(rows)
    assert report.measured(name, rows) == []
    for r in rows:
        assert "_" not in words.row_name(r["row"]) + words.row_name(r["column"])


def test_numbers_are_said_as_one_reads_them():
    assert words.spread(0.9076, 0.0084, "%") == "90.8 ± 0.8 %"
    assert words.is_share("table-4", "cells-figure6-left", "simulated nocodazole, top-1")
    assert words.spread(-0.0004, None) == "0.000"
    assert words.spread(-0.044, 0.05, words.unit("figure-1", "dog", "change, simclr")) == "−4.4 ± 5.0 points"
    assert words.unit("figure-1", "simclr", "mean") == "%"
    assert words.number(97) == "97"
    assert words.number(None) == "–"
    assert words.published(0.19) == "0.19"
    assert words.sample_size("table-2", "lpips", 1000) == "n = 1,000 images"
    assert words.sample_size("table-2", "ami", 1) == "n = 1 seed"
    assert words.sample_size("table-7", "simclr", 1) == "n = 1 class"


@pytest.mark.parametrize(
    ("hours", "said"),
    [(0.0055, "under a GPU minute"), (0.2, "12 GPU minutes"), (3.04, "3 GPU hours"), (19_234.0, "19,000 GPU hours")],
)
def test_gpu_hours_have_two_digits_and_no_powers_of_ten(hours, said):
    assert words.gpu(hours) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (20, "20 seconds"),
        (780, "13 minutes"),
        (3 * 3600, "3 hours"),
        (63 * 86400, "63 days"),
        (2675 * 86400, "7.3 years"),
    ],
)
def test_long_times_are_said_in_one_unit(seconds, said):
    assert words.time(seconds) == said


def test_a_difference_says_interval_unit_and_seeds():
    c = {"difference": 0.0445, "low": -0.001, "high": 0.09, "unit": "top-1", "n": [5, 3], "reason": ""}
    assert words.difference(c) == "Difference +4.5 points (95 % interval −0.1 to +9.0), n = 5 and 3 seeds"
    assert words.difference(c | {"difference": None, "reason": "no results yet"}) == "No results yet"
    near = c | {"difference": 0.008, "low": 0.0004, "high": 0.015, "unit": "AMI", "n": [5, 5]}
    assert "interval +0.0004 to +0.015)" in words.difference(near)  # 0 lies left of it, and one sees that
    assert "interval 0 to +0.015)" in words.difference(near | {"low": 0.0})
    one = c | {"unit": "AMI", "low": None, "high": None, "n": [1, 0], "reason": "one seed: no interval"}
    assert words.difference(one) == "Difference +0.044 AMI, n = 1 seed; one seed: no interval"


def test_claims_name_methods_and_leave_the_rest_of_the_sentence_alone():
    assert words.claim("top-1 of moco_v2 with tiny_cnn: below").startswith("Top-1 of MoCo v2 with Tiny CNN")
    assert words.claim("AMI: the weighted sum above") == "AMI: the weighted sum above"


def test_every_command_that_obtains_images_is_one_that_there_is():
    for needed in cost.NEEDED.values():
        for command in needed.commands:
            cli.parser().parse_args(command.split())


def test_images_without_what_an_experiment_needs_are_not_taken_for_ready():
    from tests.kit import make_imageset

    make_imageset(60, c=3, classes=2, name="bbbc021-nocodazole")
    assert cost.check("bbbc021-nocodazole")["problem"] == "Its table has no column compound and no column dose."
    make_imageset(60, c=1, classes=12, name="cifar10")
    state = cost.check("cifar10")
    assert state["problem"] == "It has 1 channels, at least 3 are needed."
    assert not state["ready"]
