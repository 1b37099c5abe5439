"""Which group a compound changes most: against the definition, and where nothing changes."""

import math

import numpy as np
import pytest

from ssrl_core.analysis.classes import wilson
from ssrl_core.analysis.dose_changes import changes


def planted(seed=0, n=3000):
    """Groups 0..2; compound `active` fills group 2 with its dose, `idle` does nothing."""
    rng = np.random.default_rng(seed)
    compound = rng.choice(["active", "idle", "untreated"], n)
    dose = np.where(compound == "untreated", 0, rng.choice([0.1, 1.0, 10.0], n))
    moved = (compound == "active") & (rng.random(n) < dose / (dose + 1))
    groups = np.where(moved, 2, rng.integers(0, 2, n))
    groups[rng.random(n) < 0.05] = -1
    return groups, compound, dose, rng.choice(["p1", "p2"], n)


def slow_least(groups, first, second, group):
    """Newcombe's interval of a difference, written out; the smallest change inside it."""
    shares = []
    for mask in (first, second):
        own = groups[mask & (groups >= 0)]
        count = int((own == group).sum())
        shares.append((count / len(own), *wilson(count, len(own))))
    (p1, l1, u1), (p2, l2, u2) = shares
    low = p2 - p1 - math.sqrt((p2 - l2) ** 2 + (u1 - p1) ** 2)
    high = p2 - p1 + math.sqrt((u2 - p2) ** 2 + (p1 - l1) ** 2)
    return low if low > 0 else -high if high < 0 else 0.0


@pytest.mark.parametrize("each_dose", [True, False])
def test_every_change_is_that_of_the_definition(each_dose):
    groups, compound, dose, plates = planted()
    found = changes(groups, compound, dose, plates, ["active", "idle"], 3, each_dose=each_dose)
    assert len(found) == 3 * 2 * (3 if each_dose else 1)
    for one in found:
        treated = (compound == one.compound) & ((dose == one.dose) if each_dose else (dose > 0))
        own = groups[treated & (groups >= 0)]
        assert one.share == pytest.approx((own == one.group).mean())
        assert one.cells == len(own)
        assert one.least == pytest.approx(slow_least(groups, dose == 0, treated, one.group))
    assert [one.least for one in found] == sorted((one.least for one in found), reverse=True)


def test_the_planted_group_compound_and_dose_come_first():
    groups, compound, dose, plates = planted()
    first = changes(groups, compound, dose, plates, ["idle", "active"], 3, each_dose=True)[0]
    assert (first.group, first.compound, first.dose) == (2, "active", 10.0)
    assert first.untreated == 0
    assert first.share == pytest.approx(10 / 11, abs=0.05)


def test_a_few_cells_do_not_come_before_many():
    groups = np.array([0] * 100 + [1] * 2 + [0] * 40 + [1] * 60)
    compound = np.array(["untreated"] * 100 + ["few"] * 2 + ["many"] * 100)
    dose = np.array([0.0] * 100 + [1.0] * 102)
    first = changes(groups, compound, dose, ["p"] * 202, ["few", "many"], 2, each_dose=True)[0]
    assert first.compound == "many"


def test_where_nothing_changes_nothing_is_claimed():
    groups, compound, dose, plates = planted()
    found = changes(groups, compound, dose, plates, ["idle"], 3, each_dose=False)
    assert all(one.least == 0 for one in found)


def test_untreated_cells_are_those_of_the_same_plates():
    groups = np.array([0, 0, 1, 1, 1, 1])
    compound = np.array(["untreated", "untreated", "untreated", "untreated", "a", "a"])
    plates = np.array(["p1", "p1", "p2", "p2", "p2", "p2"])
    found = changes(groups, compound, [0, 0, 0, 0, 1, 1], plates, ["a"], 2, each_dose=False)
    assert {one.group: one.untreated for one in found} == {0: 0.0, 1: 1.0}
    assert changes(groups, compound, [0, 0, 0, 0, 1, 1], ["x"] * 4 + ["y"] * 2, ["a"], 2, each_dose=False) == []
