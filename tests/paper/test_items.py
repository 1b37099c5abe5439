"""Every table and figure: valid specs, the published numbers, verdicts that follow from results."""

import json

import numpy as np
import pytest

from ssrl_core import stores
from ssrl_core.cli import main
from ssrl_core.errors import SpecError
from ssrl_core.paper import cost, galleries, running
from ssrl_core.paper import evidence as measures
from ssrl_core.paper.evidence import first_run, run_count
from ssrl_core.paper.item import published
from ssrl_core.paper.items import IDS, ITEMS
from ssrl_core.runs.evaluation.clustering import stored_clusters
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import sweeps
from ssrl_core.runs.worker import estimate
from ssrl_core.specs.run import RunSpec
from ssrl_core.specs.sweep import SweepSpec
from tests.kit import make_imageset, make_run


def test_the_ids_are_those_of_the_paper():
    assert list(ITEMS) == [*(f"table-{n}" for n in range(1, 9)), *(f"figure-{n}" for n in range(1, 13))]
    assert [name for name in IDS if not ITEMS[name].plans] == ["figure-5"]


@pytest.mark.parametrize("name", [name for name in IDS if ITEMS[name].plans])
def test_both_scales_are_valid_sweeps_that_need_known_image_sets(name):
    for scale in ("small", "full"):
        evidence = running.evidence(name, scale)
        assert evidence.specs or evidence.plan.measures
        for spec in evidence.specs.values():
            assert run_count(spec) >= 2
            assert first_run(spec).dataset.name in cost.NEEDED
        assert all(row in cost.NEEDED for row in evidence.plan.needs)
        assert all(kind in measures.KINDS for kind, _ in evidence.plan.measures.values())


def test_counting_runs_agrees_with_making_them():
    for name in ("table-2", "table-3", "figure-8"):
        for spec in running.evidence(name, "small").specs.values():
            runs = spec.runs()
            assert run_count(spec) == len(runs)
            assert first_run(spec).spec_hash("x") == runs[0].spec.spec_hash("x")


def test_full_settings_are_those_of_the_appendix():
    mnist = first_run(running.evidence("table-2", "full").specs["table-2 full"])
    assert (mnist.backbone.name, mnist.method.name, mnist.epochs, mnist.batch_size) == (
        "vgg11",
        "moco_v2_plus",
        250,
        32,
    )
    assert (mnist.optimizer.name, mnist.optimizer.lr, mnist.optimizer.weight_decay) == ("adam", 0.001, 1e-4)
    assert (mnist.method["queue_size"], mnist.method["temperature"]) == (1024, 0.07)
    cells = running.evidence("table-4", "full").specs["nocodazole moco_v2 vgg13"]
    assert [term.weight for term in first_run(cells).terms] == [0.4, 1.0]
    assert (first_run(cells).epochs, first_run(cells).batch_size) == (400, 128)
    hue = running.evidence("figure-1", "full").specs["hue cifar100 simclr resnet18"]
    assert (run_count(hue), first_run(hue).epochs, first_run(hue).batch_size) == (50, 1000, 512)


def numbers(value: object) -> list[float]:
    if isinstance(value, dict):
        return [n for part in value.values() for n in numbers(part)]
    if isinstance(value, list):
        return [n for part in value for n in numbers(part)]
    return [float(value)] if isinstance(value, int | float) else []


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("table-1", "table_1_class_properties"),
        ("table-2", "table_2_mnist"),
        ("table-3", "table_3_cells_ami"),
        ("table-4", "table_4_weighted_combination_ami"),
        ("table-5", "table_5_cifar10_hue_probability"),
        ("table-6", "table_6_shared_bias_classes"),
        ("table-7", "table_7_linear_vs_finetune"),
        ("table-8", "table_8_mnist_second_set_top1"),
    ],
)
def test_every_published_number_is_shown_once_and_accuracies_are_shares(name, table):
    rows = ITEMS[name].published()
    shown = sorted(row.published for row in rows)
    wanted = []
    for value in numbers(published()[table]):
        percent = (name in ("table-5", "table-8")) or (name == "table-2" and value > 1)
        percent = percent or (name == "table-7" and value in (45, 52, 53))
        wanted.append(value / 100 if percent else value)
    assert shown == pytest.approx(sorted(wanted))


def planted(top1: dict[str, list[float]]) -> None:
    """The rehearsal of table 2 as if it had been run: for each set one run a seed, with this top-1 and half as AMI."""
    make_imageset()
    spec = running.evidence("table-2", "small").specs["table-2 small"]
    runs = []
    for varied in spec.runs():
        composition = varied.values["terms.0.composition"]["name"]
        seed = varied.spec.seed
        if seed - 5 >= len(top1[composition]):
            continue
        value = top1[composition][seed - 5]
        kind = "rotation" if composition == "mnist-first-set" else "invert"
        folder = make_run(spec={"seed": seed, "terms": [{"composition": {"steps": [{"transform": kind}]}}]})
        results = stores.read_json(folder / "results.json")
        results["linear"]["top1"] = value
        results["clusters"]["10"] = results["clusters"].pop("3") | {"ami": value / 2}
        stores.write_json(folder / "results.json", results)
        runs.append({"id": folder.name, "seed": seed, "values": varied.values})
    sweep = sweeps.id_of(spec)
    path = stores.models_root() / "sweeps" / f"{sweep}.json"
    path.parent.mkdir(exist_ok=True)
    data = {"version": 1, "id": sweep, "name": spec.name, "spec": json.dumps(spec.to_mapping())}
    stores.write_json(path, data | {"created_at": stores.utc_now(), "runs": runs})


def test_clusters_of_trained_runs_are_shown_of_one_run_a_composition(monkeypatch):
    planted({"mnist-first-set": [0.9, 0.91], "mnist-second-set": [0.6]})
    monkeypatch.setattr(galleries, "CLUSTERS", {"table-2": 3})
    found = running.evidence("table-2", "small")
    shown = galleries.galleries("table-2", found)
    assert [one.title for one in shown] == ["First set", "Second set"]
    first = found.results("table-2 small").groupby("label")["run"].first()
    assert [one.run for one in shown] == [first["mnist-first-set"], first["mnist-second-set"]]
    run = RunFolder(shown[0].run)
    x, ids = run.embedding()
    clusters = stored_clusters(run, 3, 0).ids
    for cluster, (near, said) in enumerate(shown[0].rows):
        mine = x[clusters == cluster]
        middle = mine.mean(0)
        distance = np.linalg.norm(mine - middle, axis=1)
        assert near[0] == ids[clusters == cluster][np.argmin(distance)]
        assert said.startswith(f"{len(mine)} images, ")
    (run.path / "embedding.npy").unlink()
    assert galleries.galleries("table-2", found)[0].problem


def verdicts(found: dict) -> dict[str, str]:
    return {c["claim"].split(":")[0]: c["verdict"] for c in found["contrasts"]}


def test_a_clear_difference_is_shown_with_its_interval():
    planted({"mnist-first-set": [0.9, 0.91, 0.92, 0.9, 0.91], "mnist-second-set": [0.6, 0.62, 0.61, 0.6, 0.63]})
    found = running.compare("table-2")
    assert verdicts(found)["AMI"] == verdicts(found)["top-1"] == "shown"
    top1 = found["contrasts"][1]
    assert top1["difference"] == pytest.approx(0.908 - 0.612)
    a, b = np.array([0.9, 0.91, 0.92, 0.9, 0.91]), np.array([0.6, 0.62, 0.61, 0.6, 0.63])
    from scipy import stats

    interval = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert (top1["low"], top1["high"]) == pytest.approx((interval.low, interval.high))
    ours = {(row["row"].split(":")[0], row["column"]): row for row in found["rows"]}
    assert ours["first_set", "top1"]["published"] == pytest.approx(0.996)
    assert ours["first_set", "top1"]["ours"] == pytest.approx(0.908)


def test_the_opposite_is_reversed():
    planted({"mnist-first-set": [0.6, 0.61, 0.62], "mnist-second-set": [0.9, 0.9, 0.91]})
    assert verdicts(running.compare("table-2"))["top-1"] == "reversed"


def test_one_seed_shows_nothing():
    planted({"mnist-first-set": [0.9], "mnist-second-set": [0.6]})
    found = running.compare("table-2")
    assert verdicts(found)["top-1"] == "not shown"
    assert found["contrasts"][1]["reason"] == "one seed: no interval"


def test_nothing_run_is_said_and_what_is_missing_is_named():
    found = running.compare("table-3", "full")
    assert found["verdict"] == "not run"
    assert {row["name"] for row in found["missing"]} == {
        "bbbc021-nocodazole",
        "bbbc021-taxol",
        "bbbc021-cytochalasin-b",
    }
    with pytest.raises(SpecError, match="Broad Bioimage"):
        running.run("table-3", "full", start=False)


def test_running_an_item_queues_its_sweeps_once(monkeypatch):
    make_imageset(name="simulated-nocodazole", side=32, c=3)
    item = running.item("figure-6")
    small = item.plans["small"]
    data = {
        "dataset": "simulated-nocodazole",
        "backbone": "tiny_cnn",
        "method": "simclr",
        "terms": "identity",
        "epochs": 2,
    }
    object.__setattr__(small, "sweeps", lambda: {"kit": {**data, "batch_size": 8, "seeds": [5, 6]}})
    try:
        first = running.run("figure-6", "small", start=False)
        again = running.run("figure-6", "small", start=False)
    finally:
        from ssrl_core.paper.items import figure_6

        object.__setattr__(small, "sweeps", figure_6._small)
    assert (first["sweeps"][0]["created"], again["sweeps"][0]["created"]) == (2, 0)


def test_what_lacks_its_images_is_left_out_where_the_rest_can_be_run():
    make_imageset(240, 3, 64, name="simulated-nocodazole")
    made = running.run("figure-6", "full", start=False)
    assert [len(sweep["runs"]) for sweep in made["sweeps"]] == [6, 6]
    assert [text.partition(":")[0] for text in made["left_out"]] == ["BBBC021, nocodazole"]
    states = running.compare("figure-6", "full")["progress"]
    assert states["figure-6 full"] == {"not queued": 10}


def test_a_sweep_keeps_its_id_though_the_default_of_compile_has_changed():
    data = {"name": "kit", "dataset": "x", "backbone": "tiny_cnn", "method": "simclr", "terms": "identity"}
    specs = [SweepSpec.from_mapping({**data, **more}) for more in ({}, {"compile": "never"}, {"compile": "auto"})]
    ids = [sweeps.id_of(spec) for spec in specs]
    assert ids == ["kit-1ad4c9", "kit-1ad4c9", "kit-c15c4e"]  # those that these specs had before


def answer(capsys, *words: str) -> tuple[int, dict]:
    code = main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_command_lists_runs_and_compares(capsys, tmp_path):
    code, found = answer(capsys, "paper", "list")
    assert code == 0
    assert [row["id"] for row in found["data"]] == list(IDS)
    assert all({"id", "title", "runs", "gpu_hours", "state"} <= row.keys() for row in found["data"])
    assert next(row for row in found["data"] if row["id"] == "table-3")["runs"] == 180
    code, found = answer(capsys, "paper", "compare", "table-2", "--out", str(tmp_path / "out"))
    assert (code, found["data"]["verdict"]) == (0, "not run")
    kept = json.loads((tmp_path / "out" / "table-2-small.json").read_text(encoding="utf-8"))
    assert SweepSpec.from_mapping(kept["sweeps"]["table-2 small"]).seeds == (5, 6, 7, 8, 9)
    assert "| rotation+crop | ami | 0.790 |" in (tmp_path / "out" / "table-2-small.md").read_text(encoding="utf-8")
    for words in (["run", "table-9"], ["compare", "table-2", "--scale", "tiny"], ["run", "figure-5"]):
        code, found = answer(capsys, "paper", *words)
        assert (code, found["ok"]) == (2, False)


def test_a_dose_stands_beside_as_many_untreated_cells():
    labels = np.array([0] * 30 + [1] * 7 + [0] * 5)
    ids = np.arange(100, 142)
    kept = measures.as_many_of_each(ids, labels)
    assert list(np.bincount(labels[kept - 100])) == [7, 7]
    assert np.array_equal(kept, np.unique(kept))
    assert set(np.arange(130, 137)) <= set(kept), "all of the rarer class"
    assert np.array_equal(kept, measures.as_many_of_each(ids, labels))


@pytest.mark.parametrize(
    ("backbone", "side", "batch", "plain", "compiled"),
    [("resnet18", 32, 256, 6_100, 14_000), ("vgg13", 64, 128, 3_400, 9_100)],
)
def test_the_guess_for_a_card_lies_between_what_an_h200_took_plainly_and_compiled(
    backbone, side, batch, plain, compiled
):
    spec = RunSpec.from_mapping(
        {"dataset": "x", "backbone": backbone, "method": "simclr", "terms": "identity", "batch_size": batch}
    )
    assert plain <= estimate.on_card(spec, side) <= compiled
