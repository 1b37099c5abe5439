"""The scale instant: what several compositions need is worked out once, and the numbers are those of solving each."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ssrl_core import stores
from ssrl_core.datasets.builtin import BUILT_IN
from ssrl_core.errors import RunError, SpecError, Stopped
from ssrl_core.learning import solving as learning
from ssrl_core.learning.closed_form import pairing
from ssrl_core.paper import evidence as evidences
from ssrl_core.paper import galleries, item, printed, running, solved
from ssrl_core.paper.item import Outcome, Plan, contrast
from ssrl_core.paper.items import ITEMS, table_2
from ssrl_core.paper.solving import Solver, chance_of, kinds_of, with_and_without
from ssrl_core.runs.folder.run_folder import imageset_of
from ssrl_core.specs.run import RunSpec, Term
from tests.kit import make_imageset

JITTER = {"transform": "invert", "p": 0.5}
BASE = {
    "dataset": "kit",
    "method": {"name": "spectral", "bank": "live", "mu": 0.1, "dim": 8, "views": 2},
    "terms": [{"composition": {"steps": [{"transform": "rotation", "degrees": 20}, JITTER]}}],
    "evaluate": {"clusters": [3], "layouts": []},
}
TURNED = {
    "terms.0.composition": [
        {"name": name, "steps": [{"transform": "rotation", "degrees": degrees}]}
        for name, degrees in (("a", 10), ("b", 90))
    ]
}


def sweep_of(**changes):
    return evidences.sweep_spec("kit instant", {**BASE, **changes})


def test_the_numbers_are_those_of_a_run_of_the_same_spec():
    make_imageset()
    spec = RunSpec.from_mapping(BASE)
    found = Solver().solve(spec)["results"]
    imageset = imageset_of(spec)
    encoder = learning.solve_run(spec, imageset)
    from ssrl_core.learning.embedding import embed
    from ssrl_core.learning.probes.knn import knn_predict

    train, test = imageset.split_ids("train"), imageset.split_ids("test")
    rows = [embed(encoder, imageset.pixels, ids, max_value=imageset.max_value, device="cpu") for ids in (train, test)]
    labels = imageset.label_ids
    told = knn_predict(rows[0], labels[train], rows[1], k=20, temperature=0.07)
    assert found["knn"]["top1"] == pytest.approx(float((told == labels[test]).mean()))
    assert (found["n"], found["dim"]) == (len(test), 8)


def test_views_with_and_without_a_step_stand_for_every_chance_of_it():
    make_imageset(200)
    spec = RunSpec.from_mapping(BASE)
    place = Solver()._place(spec)
    for p in (1.0, 0.3):
        steps = (spec.terms[0].composition.steps[0], replace(spec.terms[0].composition.steps[1], p=p))
        composition = spec.terms[0].composition.with_steps(steps)
        chance, at = chance_of(composition, "invert")
        kinds = kinds_of(place, Term(with_and_without(composition, at, 2)), lambda share: None)
        shares = (chance**2, 2 * chance * (1 - chance), (1 - chance) ** 2)
        mixed = kinds[0].mixed(list(zip(shares, kinds, strict=True))).moments()
        views = 2 if p == 1.0 else 16
        ids, seed = place.images.bank, spec.seed
        drawn = learning.moments_of(place.imageset, ids, [Term(composition)], place.bank, views=views, seed=seed)
        apart = np.linalg.norm(mixed.shared - drawn.shared) / np.linalg.norm(drawn.shared)
        assert apart < (1e-6 if p == 1.0 else 0.1), p
    assert pairing(composition, 2).counts == (2,)


def test_a_sweep_over_one_chance_shares_the_views_of_all_its_values():
    make_imageset()
    vary = {"terms.0.composition.steps.invert.p": {"from": 0.0, "to": 1.0, "count": 5}}
    sweep = sweep_of(seeds=[5], vary=vary)
    assert solved.chance_step(sweep) == "invert"
    assert solved.chance_step(sweep_of(vary=TURNED)) is None
    solved.solve_all(solved.tasks(sweep))
    assert len(solved.results_table(sweep)["vary.terms.0.composition.steps.invert.p"].unique()) == 5


def test_a_stop_loses_at_most_the_one_that_is_being_solved():
    make_imageset()
    sweep = sweep_of(seeds=[5, 6], vary=TURNED)

    def stop_at_the_third(done, total, share):
        if done == 2:
            raise Stopped("enough")

    with pytest.raises(Stopped):
        solved.solve_all(solved.tasks(sweep), stop_at_the_third)
    done = solved.progress(sweep)["done"]  # the other thread may have written one more
    assert done in (2, 3)
    again = solved.solve_all(solved.tasks(sweep))
    assert (again["solved"], again["existing"]) == (4 - done, done)
    table = solved.results_table(sweep)
    assert len(table) == 4
    assert {"ami", "top1", "knn_top1", "3 ink"} <= {*table.columns}
    assert solved.solve_all(solved.tasks(sweep))["solved"] == 0


def test_two_threads_find_what_one_finds():
    make_imageset()
    sweep = sweep_of(seeds=[5, 6, 7], vary=TURNED)
    solved.solve_all(solved.tasks(sweep), workers=1)
    one = solved.results_table(sweep)
    for task in solved.tasks(sweep):
        task.path.unlink()
    solved.solve_all(solved.tasks(sweep), workers=2)
    two = solved.results_table(sweep)
    assert one["top1"].tolist() == two["top1"].tolist()
    assert one["ami"].tolist() == pytest.approx(two["ami"].tolist())


def test_a_damaged_file_is_solved_anew():
    make_imageset()
    sweep = sweep_of(seeds=[5])
    solved.solve_all(solved.tasks(sweep))
    (task,) = solved.tasks(sweep)
    before = stores.read_json(task.path)["results"]
    task.path.write_text("{", encoding="utf-8")
    assert solved.read(task) is None
    solved.solve_all(solved.tasks(sweep))
    assert stores.read_json(task.path)["results"] == before


@pytest.fixture
def kit_item(monkeypatch):
    """An item over made images, one sweep of which has no images."""

    def compare(found):
        table = found.results("kit")
        values = [evidences.column(table, label, "ami") for label in ("a", "b")]
        return Outcome([], [contrast("AMI: slight turns above strong ones", *values, "AMI")])

    sweeps = {"kit": {**BASE, "seeds": [5, 6], "vary": TURNED}, "gone": {**BASE, "dataset": "cifar100"}}
    plan = Plan(lambda: sweeps, {}, ("strokes", "imagenet100"), "")
    made = item.Item("table-3", "kit", "kit", {"instant": plan}, compare)
    monkeypatch.setattr(running, "item", lambda name: made)
    monkeypatch.setattr(running, "_lacking", lambda name, found, report: [f"{name}: ImageNet100 is left out."])
    return made


def test_what_lacks_its_images_is_told_and_the_rest_goes_on_and_ships(kit_item):
    make_imageset()
    done = running.solve(["table-3"])
    assert (done["solved"], done["left_out"]) == (4, ["table-3: ImageNet100 is left out."])
    found = running.evidence("table-3", "instant")
    packed = json.loads(json.dumps({name: evidences.packed(found, name) for name in found.specs}))
    shipped = evidences.Shipped(found.plan, found.scale, packed, {})
    own, theirs = (kit_item.compare(one).contrasts[0] for one in (found, shipped))
    assert (own.n, own.verdict) == (theirs.n, theirs.verdict) == ((2, 2), own.verdict)
    assert own.difference == pytest.approx(theirs.difference, abs=1e-4)
    mine = found.classes("kit").query("probe == 'linear'")
    theirs = evidences.unpacked_classes(json.loads(json.dumps(evidences.packed_classes(mine))))
    assert mine["accuracy"].tolist() == pytest.approx(theirs["accuracy"].tolist())
    assert mine["label"].tolist() == theirs["label"].tolist()
    assert shipped.typical("kit")["label"].tolist() == ["a", "b"]


def test_the_share_of_several_measurements_never_falls(kit_item, monkeypatch):
    shares = []
    object.__setattr__(kit_item.plans["instant"], "measures", {name: ("lpips", {}) for name in ("one", "two")})
    monkeypatch.setattr(running, "make_measurement", lambda kind, parameters, told: [told(n, 2) for n in (1, 2)])
    running.solve(["table-3"], share=shares.append)
    assert shares == [0.25, 0.5, 0.75, 1.0]


def test_the_report_has_every_item_and_escapes_what_stands_in_it(monkeypatch):
    found = printed.everything()
    with_plans = [name for name in ITEMS if ITEMS[name].plans]
    assert list(dict.fromkeys(told["id"] for told in found)) == with_plans
    assert all(told.get("made_with") for told in found if told["verdict"] != "not run")
    found[0] |= {"note": "<script>"}
    text = printed.page(found)
    assert "&lt;script&gt;" in text
    assert "<script>" not in text
    assert all(name.replace("-", " ").capitalize() in text for name in with_plans)
    assert "95 % interval" in text


def test_the_report_counts_a_difference_once_and_says_a_note_once():
    found = printed.everything()
    text = printed.page(found)
    solved_ones = [c for told in found if told["scale"] == "instant" for c in printed._once([told])]
    alike = {(c["difference"], c["low"], c["unit"]) for c in solved_ones if c["difference"] is not None}
    assert len(alike) < sum(c["difference"] is not None for c in solved_ones)
    once = printed._once(told for told in found if told["scale"] == "instant")
    assert len(once) == len(alike) + sum(c["difference"] is None for c in solved_ones)
    assert text.count("LPIPS, a designed experiment") == 1
    assert text.count("<td colspan") == 1  # figure 11, which has the runs of figure 1


def test_a_report_is_a_pdf_where_a_browser_is_there_and_else_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(printed, "everything", list)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SpecError, match="Install Chromium"):
        printed.write(tmp_path / "paper.pdf")
    browser = tmp_path / "chromium"
    browser.write_text('#!/bin/sh\nfor a in "$@"; do case $a in --print-to-pdf=*) echo made > "${a#*=}";; esac; done\n')
    browser.chmod(0o755)
    printed.write(tmp_path / "paper.pdf")
    assert (tmp_path / "paper.pdf").read_text() == "made\n"
    browser.write_text("#!/bin/sh\necho no display >&2\n")
    with pytest.raises(RunError, match=r"did not print the report: no display.*\.html"):
        printed.write(tmp_path / "paper.pdf")


def test_charts_of_solved_sweeps_stand_in_the_report(kit_item, monkeypatch):
    from plotly.graph_objects import Figure

    make_imageset()
    running.solve(["table-3"])
    monkeypatch.setattr(printed, "ITEMS", {"table-3": kit_item})
    drawn = printed.page(
        printed.everything(), lambda name, found: [Figure().update_layout(meta=f"kit {len(found.specs)}")]
    )
    assert "<b>kit 2</b>" in drawn
    assert "Plotly.newPlot" in drawn
    assert "Plotly" not in printed.page(printed.everything())


def test_images_nearest_to_each_centroid_stand_in_the_report(kit_item, monkeypatch):
    imageset = make_imageset()
    running.solve(["table-3"])
    monkeypatch.setattr(printed, "ITEMS", {"table-3": kit_item})
    monkeypatch.setattr(galleries, "CLUSTERS", {"table-3": 3})
    found = running.evidence("table-3", "instant")
    shown = galleries.galleries("table-3", found)
    typical = found.typical("kit")
    assert [one.title for one in shown] == ["A", "B"]
    for one, clusters in zip(shown, typical["clusters"], strict=True):
        assert [list(ids) for ids, _ in one.rows] == clusters["3"]
        for ids, said in one.rows:
            labels = imageset.label_ids[list(ids)]
            names, counts = np.unique(labels, return_counts=True)
            most = counts.max()
            assert said in {f"{most} of these {len(ids)} are “{imageset.classes[n]}”" for n in names[counts == most]}
    drawn = printed.page(printed.everything(), lambda name, found: [])
    assert drawn.count("data:image/png;base64,") == sum(len(one.rows) for one in shown)
    assert "the first seed" in drawn
    assert "data:image" not in printed.page(printed.everything())


def test_clusters_of_images_that_are_not_here_are_not_drawn_and_of_others_of_the_name_it_is_said():
    found = running.shipped_evidence("figure-4", "instant")
    assert galleries.galleries("figure-4", found) == []
    make_imageset(60, name="mnist")
    shown = galleries.galleries("figure-4", found)
    assert [one.title for one in shown] == ["First set", "Second set"]
    assert {one.problem for one in shown} == {"These were clusters of other images."}


def test_what_needs_no_training_does_not_replace_the_trainings_that_ship(monkeypatch):
    ships = running.shown("table-2", "small")
    assert [c["verdict"] for c in ships["contrasts"][:3]] == ["shown", "shown", "not shown"]
    lpips = {label: {"mean": 0.1 * k, "sd": 0.1, "n": 4} for k, label in enumerate(reversed(table_2.SETS))}
    monkeypatch.setattr(evidences, "stored_measurement", lambda kind, given: lpips if kind == "lpips" else None)
    assert {c["verdict"] for c in running.compare("table-2", "small")["contrasts"]} == {"not shown", "not run"}
    assert running.shown("table-2", "small")["contrasts"] == ships["contrasts"]
    assert "full" not in {told["scale"] for told in printed.everything() if told["id"] == "table-2"}


def test_weights_that_are_missing_are_looked_for_once_and_named_once(kit_item, monkeypatch):
    asked = []

    def measure(kind, parameters, told):
        asked.append(parameters["backbone"])
        if parameters["backbone"] == "resnet18":
            raise SpecError("Backbone resnet18: weights are not here.")

    networks = {"a": "resnet18", "b": "vgg16", "c": "resnet18"}
    measures = {name: ("pretrained", {"backbone": network}) for name, network in networks.items()}
    object.__setattr__(kit_item.plans["instant"], "measures", measures)
    monkeypatch.setattr(running, "make_measurement", measure)
    done = running.solve(["table-3"])
    assert asked == ["resnet18", "vgg16"]
    assert done["measures"] == ["b"]
    assert done["left_out"][-1] == "a, c: Backbone resnet18: weights are not here."


def test_one_seed_is_said_and_no_interval_is_made_up(kit_item, monkeypatch):
    make_imageset()
    sweeps = {"kit": {**BASE, "seeds": [5], "vary": TURNED}}
    object.__setattr__(kit_item.plans["instant"], "sweeps", lambda: sweeps)
    running.solve(["table-3"])
    told = kit_item.compare(running.evidence("table-3", "instant")).contrasts[0]
    assert (told.low, told.reason) == (None, "one seed: no interval")


def test_without_any_images_nothing_is_solved_and_that_is_an_error():
    with pytest.raises(SpecError, match="is left out"):
        running.solve(["figure-1"])


@pytest.mark.parametrize("name", [name for name in ITEMS if "instant" in ITEMS[name].plans])
def test_solved_plans_have_the_papers_seeds_and_ask_for_no_training(name):
    found = running.evidence(name, "instant")
    assert found.specs
    for spec in found.specs.values():
        assert list(spec.seeds) == [5, 6, 7, 8, 9]
        assert evidences.first_run(spec).is_solved
    assert "not trained" in found.plan.says


def test_images_that_are_made_first_tell_how_far_they_are_and_can_be_stopped(monkeypatch):
    asked, said = iter(range(5)), []

    def share(way):
        if next(asked) == 3:
            raise Stopped("The job was stopped.")

    monkeypatch.setattr(running, "check", lambda needed: {"ready": True})
    made = lambda self, report: [report(number, 10, "making") for number in range(10)]  # noqa: E731
    monkeypatch.setattr(type(BUILT_IN["strokes"]), "make", made)
    with pytest.raises(Stopped):
        running.solve(["table-2"], report=said.append, share=share)
    assert said == ["making: 0 %", "making: 10 %", "making: 20 %"]
