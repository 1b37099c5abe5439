"""Which group a compound changes most: against the definition, and where nothing changes."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ssrl_core.analysis.doses import changes, changes_in
from ssrl_core.errors import DataError


def planted(seed=0, n=3000):
    """Groups 0..2; compound `active` fills group 2 with its dose, `idle` does nothing."""
    rng = np.random.default_rng(seed)
    compound = rng.choice(["active", "idle", "untreated"], n)
    dose = np.where(compound == "untreated", 0, rng.choice([0.1, 1.0, 10.0], n))
    moved = (compound == "active") & (rng.random(n) < dose / (dose + 1))
    groups = np.where(moved, 2, rng.integers(0, 2, n))
    groups[rng.random(n) < 0.05] = -1
    wells = [f"{c}{d}{w}" for c, d, w in zip(compound, dose, rng.integers(0, 4, n), strict=True)]
    return groups, compound, dose, rng.choice(["p1", "p2"], n), wells


def halves(moved, errors, freedom):
    """Half the widths of all intervals, by scipy's own Benjamini-Hochberg and Student's t."""
    chance = 2 * stats.t.sf(np.abs(moved) / errors, freedom)
    clear = max(1, int((stats.false_discovery_control(chance) <= 0.05).sum()))
    return stats.t.ppf(1 - 0.025 * clear / len(moved), freedom) * errors


def check(found, moved, errors, freedom):
    half = halves(np.array(moved), np.array(errors), freedom)
    for one, change, width in zip(found, moved, half, strict=True):
        assert one.share - one.untreated == pytest.approx(change, abs=0.02)
        assert one.least == pytest.approx(max(0, abs(change) - width), abs=1e-9)
        assert one.most == pytest.approx(abs(change) + width)


def in_order(found):
    return sorted(found, key=lambda one: (one.compound, one.dose or 0, one.group))


@pytest.mark.parametrize("each_dose", [True, False])
def test_where_only_cells_are_known_every_change_is_that_of_the_definition(each_dose):
    groups, compound, dose, *_ = planted()
    found = changes(groups, compound, dose, ["p"] * len(dose), ["active", "idle"], 3, each_dose=each_dose)
    assert [one.least for one in found] == sorted((one.least for one in found), reverse=True)
    moved, errors = [], []
    for one in in_order(found):
        treated = (compound == one.compound) & ((dose == one.dose) if each_dose else (dose > 0))
        own, control = (groups[mask & (groups >= 0)] == one.group for mask in (treated, dose == 0))
        assert one.share == pytest.approx(own.mean())
        assert one.cells == len(own)
        more = [((side.sum() + 1) / (len(side) + 2), len(side) + 2) for side in (own, control)]
        moved.append(more[0][0] - more[1][0])
        errors.append(math.sqrt(sum(share * (1 - share) / cells for share, cells in more)))
    assert len(found) == 3 * 2 * (3 if each_dose else 1)
    check(in_order(found), moved, errors, np.inf)


def screen(seed=0, plates=4, treated=1, spread=0.2, active=1.0, compounds=("a", "b", "c")):
    """Wells that differ by themselves, of plates that differ too; `a` makes group 0 more frequent."""
    rng, rows = np.random.default_rng(seed), []
    for plate in range(plates):
        plain = np.log([0.4, 0.3, 0.2, 0.1]) + rng.normal(0, spread, 4)
        for well, name in enumerate(["untreated"] * 8 + [c for c in compounds for _ in range(treated)]):
            odds = np.exp(plain + rng.normal(0, spread, 4) + [active * (name == "a"), 0, 0, 0])
            cells = rng.choice(4, 50, p=odds / odds.sum())
            rows += [(g, name, float(name != "untreated"), f"p{plate}", f"w{well}") for g in cells]
    return [np.array(column) for column in zip(*rows, strict=True)]


def told(columns, names=("a", "b", "c"), **how):
    groups, compound, dose, plates, wells = columns
    return changes(groups, compound, dose, plates, names, 4, each_dose=False, wells=wells, **how)


def test_over_plates_a_change_is_that_within_them():
    columns = screen()
    groups, compound, _, plates, _ = columns
    moved, errors = [], []
    for name in "abc":
        for g in range(4):
            by_plate = [
                (groups[own & (compound == name)] == g).mean() - (groups[own & (compound == "untreated")] == g).mean()
                for own in (plates == plate for plate in np.unique(plates))
            ]
            moved.append(np.mean(by_plate))
            errors.append(stats.sem(by_plate))
    found = changes(*columns[:4], "abc", 4, each_dose=False)
    check(in_order(found), moved, errors, 3)


def test_pages_of_compounds_that_do_nothing_claim_hardly_anything():
    for how in ({"plates": 1, "treated": 3}, {"plates": 3, "treated": 1}):
        claims = [told(screen(seed, active=0.0, **how))[0].least > 0.01 for seed in range(40)]
        assert np.mean(claims) <= 0.15, how  # over cells it was nearly all of them


def test_what_a_compound_does_in_every_well_is_seen():
    first = told(screen(plates=1, treated=4, active=2.5))[0]
    assert (first.compound, first.group) == ("a", 0)
    assert first.least > 0.1
    assert told(screen(plates=1, treated=4, active=0.0))[0].least == 0


def test_a_plate_weighs_what_it_has_of_the_treated_cells():
    cells = [(8, 2, 400, "untreated"), (2, 8, 40, "untreated"), (8, 2, 40, "a"), (2, 8, 100, "a")]
    columns = [[], [], [], []]
    for (first, second, count, name), plate in zip(cells, ["p1", "p2", "p1", "p2"], strict=True):
        groups = [0] * (count * first // 10) + [1] * (count * second // 10)
        for column, values in zip(
            columns, (groups, [name] * count, [name == "a"] * count, [plate] * count), strict=True
        ):
            column += values
    groups, compound, dose, plates = columns
    found = changes(groups, compound, dose, plates, ["a"], 2, each_dose=False)
    assert [one.untreated for one in found] == pytest.approx([one.share for one in found])


def test_over_wells_the_spread_of_the_untreated_ones_is_that_of_all():
    columns = screen(plates=2, treated=2)
    groups, compound, _, plates, wells = columns
    moved, errors = [], []
    for name in "abc":
        for g in range(4):
            terms, shares, sizes = [], [], []
            for plate in np.unique(plates):
                control = (plates == plate) & (compound == "untreated")
                share = (groups[control] == g).mean()
                shares.append(share)
                sizes.append(control.sum())
                for well in np.unique(wells[control]):
                    own = groups[control & (wells == well)] == g
                    terms.append((own.sum() - len(own) * share) ** 2 / (len(own) * share * (1 - share)))
            spread = max(1, sum(terms) / 14)
            own = groups[compound == name] == g
            one, none = (own.sum() + 1) / (len(own) + 2), (np.mean(shares) * sum(sizes) + 1) / (sum(sizes) + 2)
            moved.append(one - none)
            variance = one * (1 - one) / (len(own) + 2) + none * (1 - none) / (sum(sizes) + 2)
            errors.append(math.sqrt(spread * variance))
    check(in_order(told(columns)), moved, errors, 14)


def test_one_well_of_untreated_cells_tells_nothing_of_what_wells_differ_by():
    groups, compound, dose, plates, wells = screen(plates=1, treated=1, active=3.0)
    wells = np.where(compound == "untreated", "w0", wells)
    found = told((groups, compound, dose, plates, wells))
    assert all(one.least == 0 and one.most == math.inf for one in found)


def test_a_few_cells_leave_a_large_change_possible():
    groups = [0] + [1] * 9 + [0] * 2 + [1] * 3
    found = changes(groups, ["u"] * 10 + ["a"] * 5, [0] * 10 + [1] * 5, ["p"] * 15, ["a"], 2, each_dose=False)
    assert all(one.least == 0 and one.most > 0.5 for one in found)


def test_the_planted_group_compound_and_dose_come_first():
    groups, compound, dose, plates, wells = planted()
    first = changes(groups, compound, dose, plates, ["idle", "active"], 3, each_dose=True, wells=wells)[0]
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
    groups, compound, dose, plates, wells = planted()
    found = changes(groups, compound, dose, plates, ["idle"], 3, each_dose=False, wells=wells)
    assert all(one.least == 0 for one in found)


def test_untreated_cells_are_those_of_the_same_plates():
    groups = np.array([0, 0, 1, 1, 1, 1])
    compound = np.array(["untreated", "untreated", "untreated", "untreated", "a", "a"])
    plates = np.array(["p1", "p1", "p2", "p2", "p2", "p2"])
    found = changes(groups, compound, [0, 0, 0, 0, 1, 1], plates, ["a"], 2, each_dose=False)
    assert {one.group: one.untreated for one in found} == {0: 0.0, 1: 1.0}
    assert changes(groups, compound, [0, 0, 0, 0, 1, 1], ["x"] * 4 + ["y"] * 2, ["a"], 2, each_dose=False) == []


def test_compounds_without_doses_are_said():
    table = pd.DataFrame({"compound": ["DMSO"] * 5 + ["active"] * 5})
    with pytest.raises(DataError, match="no treated cell has a dose above 0"):
        changes_in(table, np.zeros(10, np.int64), 2)
