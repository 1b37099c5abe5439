"""Verdicts from intervals."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench import again
from ssrl_core.analysis.scores import eta2, mean_sd
from ssrl_core.errors import SpecError
from ssrl_core.library import paper as charts
from ssrl_core.paper import bases, evidence, running, words
from ssrl_core.paper.evidence import PUBLISHED, Evidence, _against
from ssrl_core.paper.item import NOT_RUN, NOT_SHOWN, REVERSED, SHOWN, contrast, mean_above, overall, plain_claim
from ssrl_core.paper.items import ITEMS, figure_8, figure_9, table_2, table_3, table_4


def test_the_interval_is_welch_s():
    rng = np.random.default_rng(0)
    a, b = rng.normal(1, 1, 5), rng.normal(0, 3, 7)
    found = contrast("a above b", a, b)
    theirs = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))
    assert found.n == (5, 7)


def test_above_is_the_one_sample_interval():
    a = np.array([1.0, 1.2, 0.9, 1.4])
    theirs = stats.ttest_1samp(a, 1.0).confidence_interval(0.95)
    found = mean_above("a above 1", a, 1.0)
    assert (found.low, found.high) == pytest.approx((theirs.low - 1, theirs.high - 1))


@pytest.mark.parametrize(("n", "sd"), [((5, 5), (1, 1)), ((5, 5), (1, 4)), ((5, 3), (1, 3))])
def test_intervals_of_few_seeds_hold_the_truth_about_as_often_as_they_promise(n, sd):
    rng = np.random.default_rng(0)
    sides = [(rng.normal(0.5, sd[0], n[0]), rng.normal(0, sd[1], n[1])) for _ in range(1000)]
    found = [contrast("a above b", a, b) for a, b in sides]
    assert 0.92 <= np.mean([c.low <= 0.5 <= c.high for c in found]) <= 0.975
    alone = [mean_above("a above 0", a) for a, _ in sides]
    assert 0.92 <= np.mean([c.low <= 0.5 <= c.high for c in alone]) <= 0.975


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        ([2, 2.1, 2.2], [1, 1.1, 0.9], SHOWN),
        ([1, 1.1, 0.9], [2, 2.1, 2.2], REVERSED),
        ([1, 2, 3], [1, 2, 3.1], NOT_SHOWN),
        ([], [1, 2], NOT_RUN),
        ([1], [1, 2], NOT_SHOWN),
        ([1, 1], [1, 1], NOT_SHOWN),
        ([float("nan"), 2, 2.1], [1, 1.1, float("nan")], SHOWN),
    ],
)
def test_the_verdict_follows_from_the_interval(a, b, verdict):
    assert contrast("a above b", a, b).verdict == verdict


def test_an_item_is_shown_only_where_every_claim_is():
    yes, no, back, none = (
        plain_claim("a", True),
        plain_claim("b", False),
        plain_claim("c", False, against=True),
        plain_claim("d", None),
    )
    assert overall([yes, yes]) == SHOWN
    assert overall([yes, no]) == overall([yes, back]) == overall([yes, none]) == NOT_SHOWN
    assert overall([back, no]) == REVERSED
    assert overall([none]) == overall([]) == NOT_RUN


def test_means_leave_out_what_is_missing():
    assert mean_sd([1.0, None, 3.0]) == (2.0, pytest.approx(np.sqrt(2)), 2)
    assert mean_sd([]) == (None, None, 0)
    assert mean_sd([1.0]) == (1.0, None, 1)


def test_eta2_is_the_share_between_groups():
    values, groups = np.array([0.0, 0, 1, 1, 9]), np.array([0, 0, 1, 1, -1])
    assert eta2(values, groups) == 1.0
    assert eta2(np.array([0.0, 1, 0, 1]), np.array([0, 0, 1, 1])) == 0.0
    assert np.isnan(eta2(np.ones(4), np.array([0, 0, 1, 1])))


def test_a_reading_knows_how_far_it_is_from_the_published_values():
    assert _against(PUBLISHED) == {"distance": 0.0, "in_order": True}
    other = {name: value + 0.1 for name, value in PUBLISHED.items()}
    assert _against(other)["distance"] == pytest.approx(0.1)
    assert not _against(PUBLISHED | {"mnist-second-set": 0.1})["in_order"]


def test_each_step_of_table_2_is_a_claim_of_its_own_and_the_silhouette_falls_less():
    less = {"mnist-second-set": 0.09}
    told = {"mnist-rotation-crop": 0.7, "mnist-rotation-crop-padding": 0.8, "mnist-first-set": 0.75,
            "mnist-rotation-crop-flips": 0.5, "mnist-second-set": 0.3}  # fmt: skip
    rows = [
        {"label": label, "seed": seed, "ami": ami + 0.001 * seed, "silhouette": less.get(label, 0.1)}
        for label, ami in told.items() for seed in (5, 6, 7)
    ]  # fmt: skip
    found = table_2._steps(pd.DataFrame(rows))
    assert [one.verdict for one in found] == [SHOWN, REVERSED, SHOWN, SHOWN, SHOWN]
    assert found[-1].difference == pytest.approx(0.6 - 0.1, abs=0.01)
    assert {one.verdict for one in table_2._steps(pd.DataFrame())} == {NOT_RUN}


def test_a_share_of_right_answers_stands_beside_what_the_commoner_class_alone_gives():
    classes = pd.DataFrame({"class": ["a", "b"] * 2, "n": [90, 10] * 2, "correct": [90, 0, 86, 4]})
    assert table_3._by_class(pd.DataFrame(), classes) == (
        " (90 % of them are of the commoner class; 59 % in the mean of both classes)"
    )
    assert table_3._by_class(pd.DataFrame()) == ""


def test_the_paper_s_own_difference_stands_beside_ours():
    ours = contrast("second above first", [0.05, 0.051], [0.04, 0.041], "AMI")
    table = "table_3_cells_ami"
    told = bases.beside_published(ours, "simulated nocodazole", (table, "second_set"), (table, "first_set"))
    assert told.reason == "the paper: +0.18"
    table = "table_4_weighted_combination_ami"
    told = bases.beside_published(ours, "BBBC021 actin disruptors", (table, "weighted"), (table, "vgg16"))
    assert told.reason == "the paper: +0.11"
    assert bases.beside_published(ours, "other cells", (table, "second_set"), (table, "first_set")) == ours


def test_verdicts_again_have_other_seeds_or_other_images_and_keep_what_is_chosen_of_them():
    sweep = ITEMS["table-4"].plans["instant"].sweeps()["table-4 instant simulated taxol"]
    assert again.changed(sweep, "seeds")["seeds"] == again.SEEDS
    other = again.changed(sweep, "images", make=False)
    assert other["dataset"] == {"name": "simulated-cells-77", "where": {"compound": ["DMSO", "sim-taxol"]}}
    assert other["seeds"] == sweep["seeds"]
    rows = [
        {"id": "figure-6", "claim": "left above right", "shipped": one.as_dict(), "seeds": again_one.as_dict()}
        for one, again_one in ((plain_claim("a", True), plain_claim("a", holds)) for holds in (True, False))
    ]  # fmt: skip
    assert again.counted(rows, "seeds").startswith("Other seeds: 1 of 2 verdicts are the same. Of 2 claims that show")
    assert "| figure-6 | left above right | **shown** | **not shown** |" in again.markdown(rows)


def test_what_was_told_again_before_stays_where_nothing_is_solved_anew():
    ships = running.shipped("figure-6", "instant")["contrasts"]
    before = [
        {"id": "figure-6", "claim": ships[0]["claim"], "shipped": {}, "images": ships[1]},
        {"id": "figure-6", "claim": "one that is made no more", "shipped": {}, "seeds": ships[1]},
    ]
    rows = again.again(["figure-4"], ["seeds"], [], workers=0, before=before)
    assert rows == [{"id": "figure-6", "claim": ships[0]["claim"], "shipped": ships[0], "images": ships[1]}]


def test_of_another_family_the_second_largest_network_stands_beside_the_largest(monkeypatch):
    means = dict(zip(figure_9.LITE, (0.3, 0.2, 0.1), strict=True))
    shuffled = {"mean": 0.0, "sd": 0.01, "n": 20}

    def made(kind, given):
        mean = means.get(given["backbone"])
        return mean and {"mean": mean * (1 + 0.1 * given["where"]["dose"][1]), "shuffled": shuffled}

    monkeypatch.setattr(evidence, "stored_measurement", made)
    found = running.compare("figure-9", "small")["contrasts"]
    assert [c["verdict"] for c in found] == [NOT_RUN, SHOWN, SHOWN]
    assert (found[1]["n"], found[1]["counted"]) == ([4, 0], "concentrations")
    assert found[1]["difference"] == pytest.approx(0.1 * (1 + 0.1 * np.mean([0.1, 0.3, 1.0, 3.0])))
    assert words.difference(found[1]).endswith("n = 4 concentrations")
    means["timm/tf_efficientnet_lite2"] = None
    assert running.compare("figure-10", "small")["contrasts"][1]["verdict"] == NOT_RUN


def test_weights_that_are_not_here_leave_the_other_networks_measured(monkeypatch):
    monkeypatch.setattr(running, "require", lambda found, name: None)

    def measure(kind, given, report):
        if given["backbone"] == lacking:
            raise SpecError(f"Backbone {lacking}: weights are not here.")

    monkeypatch.setattr(running, "make_measurement", measure)
    lacking = "resnet18"
    told = running.measure("figure-9", "small")
    assert {name.split()[0] for name in told["measures"]} == set(figure_9.LITE)
    assert len(told["left_out"]) == 1
    assert told["left_out"][0].endswith("Backbone resnet18: weights are not here.")


def test_where_nothing_can_be_measured_it_is_said(monkeypatch):
    monkeypatch.setattr(running, "require", lambda found, name: None)

    def measure(kind, given, report):
        raise SpecError("Backbone x: weights are not here.")

    monkeypatch.setattr(running, "make_measurement", measure)
    with pytest.raises(SpecError, match="weights are not here"):
        running.measure("figure-10", "small")


def grown(name: str, neighbours: tuple[float, float], response: tuple[float, float]) -> pd.DataFrame:
    """Results of three seeds of both compositions, the seeds of the second in another order, one of a fourth alone."""
    rows = []
    for place, label in enumerate((bases.LEFT, bases.RIGHT)):
        for seed in (5, 6, 7) if place == 0 else (7, 6, 5):
            off = 0.01 * (seed - 6) * (-1) ** place
            rows.append({"label": label, "seed": seed, "state": "done", "dataset": name,
                         "4 neighbours": neighbours[place] + off, "4 response": response[place] + off})  # fmt: skip
    alone = {"label": bases.LEFT, "seed": 8, "state": "running", "dataset": name}
    return pd.DataFrame([*rows, alone | {"4 neighbours": np.nan, "4 response": np.nan}])


def test_figure_6_asks_what_training_adds_to_untrained_networks_that_are_shown_the_same(monkeypatch):
    def results(evidence, name):
        means = (0.45, 0.05), (0.04, 0.1)
        return grown(name, *(means if "untrained" in name else ((0.5, 0.1), (0.05, 0.2))))

    monkeypatch.setattr(Evidence, "results", results)
    told = running.compare("figure-6", "small")
    assert [c["verdict"] for c in told["contrasts"]] == [SHOWN, SHOWN, NOT_SHOWN, SHOWN]
    assert [round(c["difference"], 6) for c in told["contrasts"]] == [0.4, 0.15, 0.0, 0.1]
    rows = {row["row"]: row["ours"] for row in told["rows"] if row["column"] == "AMI with response"}
    assert rows == pytest.approx({bases.LEFT: 0.05, bases.RIGHT: 0.2, f"{bases.LEFT}, untrained": 0.04,
                                  f"{bases.RIGHT}, untrained": 0.1})  # fmt: skip
    specs = running.evidence("figure-6", "small").specs
    trained, untrained = (specs[name].runs()[0].spec for name in specs)
    assert (untrained.epochs, untrained.method.name) == (0, "pretrained")
    assert (untrained.evaluate.input, untrained.terms, untrained.seed) == (
        trained.evaluate.input, trained.terms, trained.seed)  # fmt: skip


def test_beyond_pairs_by_seed_and_leaves_out_a_seed_that_lacks_one(monkeypatch):
    whole = grown("", (0.5, 0.1), (0.1, 0.2))
    of_seed = {5: 0.3, 6: 0.4, 7: 0.5}
    whole["4 neighbours"] = whole["seed"].map(of_seed) + (whole["label"] == bases.LEFT) * 0.2
    whole.loc[whole["seed"] == 8, ["state", "4 neighbours"]] = ["done", 0.9]
    monkeypatch.setattr(Evidence, "results", lambda self, name: whole if name == "trained" else pd.DataFrame())
    labels = (bases.LEFT, bases.RIGHT)

    def values(table, label):
        return evidence.column(table, label, "4 neighbours")

    # 0.2 of every seed, however rows are ordered
    found = bases.beyond("", running.evidence("figure-6", "small"), ("trained", "trained"), labels, values, "eta²")
    assert (found.difference, found.low, found.high) == pytest.approx((0.0, 0.0, 0.0), abs=1e-12)
    none = bases.beyond("", running.evidence("figure-6", "small"), ("trained", "not"), labels, values, "eta²")
    assert none.verdict == NOT_RUN


def planted(labels: dict[str, float], seeds=(5, 6, 7)) -> pd.DataFrame:
    """Results whose clusters follow the response as said, the same of every seed but for a hundredth."""
    return pd.DataFrame(
        {"label": label, "seed": seed, "state": "done", "dataset": "x", "ami": 0.0, "4 response": mean + seed / 500}
        for label, mean in labels.items() for seed in seeds
    )  # fmt: skip


def claims(item: str, scale: str) -> dict[str, tuple[str, float | None]]:
    found = running.compare(item, scale)["contrasts"]
    return {c["claim"]: (c["verdict"], c["difference"] and round(c["difference"], 6)) for c in found}


def test_figure_7_asks_what_training_adds_to_the_gain_of_the_sum(monkeypatch):
    total, left, right = table_4.SUM, table_4.LEFT, table_4.RIGHT

    def results(evidence, name):
        return planted(
            {total: 0.3, left: 0.2, right: 0.3} if "untrained" in name else {total: 0.6, left: 0.3, right: 0.7}
        )

    monkeypatch.setattr(Evidence, "results", results)
    for scale, where in (("small", ""), ("full", bases.ON_SIMULATED)):
        found = claims("figure-7", scale)
        assert found[f"AMI with the response{where}: the sum above {left} alone"] == (SHOWN, 0.3)
        assert found[f"AMI with the response{where}: the sum above {right} alone"] == (REVERSED, -0.1)
        said = f"AMI with the response, the sum minus {left} alone: trained networks above untrained ones{where}"
        assert found[said] == (SHOWN, 0.2)
        assert found.get("phenotypes apart") == ((NOT_RUN, None) if scale == "full" else None)


def test_figure_8_asks_what_each_end_is_above_and_waits_for_what_is_not_done(monkeypatch):
    names = [f"{bases.LEFT} + {title}" for title in figure_8.GROWN_RIGHT]
    trained = dict(zip(names, (0.1, 0.2, 0.3, 0.6), strict=True))
    untrained = dict(zip(names, (0.1, 0.1, 0.1, 0.3), strict=True))
    monkeypatch.setattr(Evidence, "results", lambda self, name: planted(untrained if "untrained" in name else trained))
    said = "AMI with the response, {}: trained networks above untrained ones"
    found = claims("figure-8", "small")
    assert found["AMI with the response: the whole second composition above jitter alone"] == (SHOWN, 0.5)
    assert found["AMI with the response: with the centre crop above without it"] == (SHOWN, 0.3)
    assert found[said.format("the whole second composition minus jitter alone")] == (SHOWN, 0.3)
    assert found[said.format("the centre crop minus without it")] == (SHOWN, 0.1)
    for done in ({}, {names[0]: 0.1}, {name: trained[name] for name in names[:3]}):
        monkeypatch.setattr(Evidence, "results", lambda self, name, done=done: planted(done))
        assert {verdict for verdict, _ in claims("figure-8", "small").values()} == {NOT_RUN}
        assert {verdict for verdict, _ in claims("figure-8", "instant").values()} == {NOT_RUN}


def test_figure_6_in_full_is_judged_by_simulated_cells_alone_and_says_so(monkeypatch):
    def results(evidence, name):
        if name == "figure-6 full":
            return planted({bases.LEFT: 0.9, bases.RIGHT: 0.0})
        means = (0.45, 0.05), (0.04, 0.1)
        return grown(name, *(means if "untrained" in name else ((0.5, 0.1), (0.05, 0.2))))

    monkeypatch.setattr(Evidence, "results", results)
    found = claims("figure-6", "full")
    assert found.pop("four clusters by phenotype") == (NOT_RUN, None)
    assert all(bases.ON_SIMULATED in claim for claim in found)
    assert [verdict for verdict, _ in found.values()] == [SHOWN, SHOWN, NOT_SHOWN, SHOWN]


@pytest.mark.parametrize("item", ["figure-6", "figure-7"])
def test_nothing_is_drawn_while_no_run_is_done(monkeypatch, item):
    waiting = grown("", (np.nan, np.nan), (np.nan, np.nan)).assign(state="queued")
    monkeypatch.setattr(Evidence, "results", lambda self, name: waiting)
    assert charts._MAKERS[item](running.evidence(item, "small")) == []
