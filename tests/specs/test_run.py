"""Run and sweep specs: short forms, defaults, identity of a run, and what is refused before it is queued."""

import pytest

from ssrl_core.errors import SpecError
from ssrl_core.specs.methods import METHODS
from ssrl_core.specs.run import RunSpec, dump_run, load_run
from ssrl_core.specs.sweep import SweepSpec
from ssrl_core.specs.yaml_files import parse_yaml

SPEC = {"dataset": "strokes", "method": "simclr", "terms": [{"composition": "mnist-first-set"}]}


def _spec(**changes):
    return RunSpec.from_mapping({**SPEC, **changes})


def test_short_forms_are_the_long_ones():
    assert _spec() == _spec(
        dataset={"name": "strokes"}, method={"name": "simclr"}, backbone={"name": "vgg11"}, terms="mnist-first-set"
    )


def test_an_omitted_optimizer_is_the_methods_own():
    own = _spec(method="moco_v2_plus").optimizer
    assert (own.name, own.lr, own.lr_scaling, own.weight_decay) == ("sgd", 0.3, "batch256", 1e-4)
    assert own.effective_lr(512) == pytest.approx(0.6)
    assert _spec(method="deepcluster_v2").schedule.warmup_epochs == 11


def test_warm_up_is_never_refused_and_at_most_a_tenth():
    assert _spec(epochs=5).warmup_epochs == 0
    assert _spec(epochs=40, schedule={"name": "cosine", "warmup_epochs": 100}).warmup_epochs == 4
    assert _spec(epochs=1000).warmup_epochs == 10


def test_the_resolved_spec_comes_back_the_same():
    for method in METHODS:
        spec = _spec(method=method)
        text = dump_run(spec)
        assert RunSpec.from_mapping(parse_yaml(text, "spec")) == spec
        assert dump_run(RunSpec.from_mapping(parse_yaml(text, "spec"))) == text


def test_the_same_experiment_is_the_same_run_whatever_it_is_called():
    spec = _spec()
    for same in (
        {"name": "x", "notes": "y", "tags": {"a": 1}},
        {"device": "cpu"},
        {"evaluate": {"clusters": [2]}},
        {"keep": {"embedding": "test"}},
    ):
        assert _spec(**same).spec_hash("f") == spec.spec_hash("f")
    renamed = {**spec.terms[0].composition.to_mapping(), "name": "other"}
    assert _spec(terms=[{"composition": renamed}]).spec_hash("f") == spec.spec_hash("f")
    assert _spec(epochs=100.0).spec_hash("f") == spec.spec_hash("f")
    for other in (
        {"seed": 6},
        {"epochs": 3},
        {"method": {"name": "simclr", "temperature": 0.3}},
        {"terms": "mnist-second-set"},
    ):
        assert _spec(**other).spec_hash("f") != spec.spec_hash("f")
    assert spec.spec_hash("g") != spec.spec_hash("f")
    assert spec.run_id("f") == f"strokes-simclr-vgg11-s5-{spec.spec_hash('f')[:8]}"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 0}, "epochs must be a whole number"),
        ({"epoch": 3}, "Did you mean 'epochs'"),
        ({"seeds": [5, 6]}, "with the command sweep"),
        ({"batch_size": 1}, "batch_size"),
        ({"method": {"name": "simclr", "queue_size": 3}}, "queue_size must be a setting of method simclr"),
        ({"method": {"name": "moco_v2_plus", "queue_size": 1000}}, "multiple of batch_size 256"),
        ({"method": "simclear"}, "Did you mean simclr"),
        ({"optimizer": {"name": "adam", "lr": 1e6}}, "lr must be"),
        ({"terms": [{"composition": "mnist-first-set", "weight": 0}]}, "sum to more than 0"),
        ({"terms": []}, "terms must be"),
        ({"terms": [{"composition": "nowhere"}]}, "There is: identity"),
        ({"backbone": "resnet9"}, "backbone: name must be"),
        ({"backbone": {"name": "tiny_cnn", "weights": "imagenet"}}, "no ImageNet weights"),
        ({"device": "gpu"}, "device must be"),
        ({"evaluate": {"clusters": [1]}}, "clusters"),
        ({"evaluate": {"layouts": ["tsn"]}}, "Did you mean tsne"),
        ({"dataset": "../x"}, "dataset: name must be"),
        ({"seed": -1}, "seed"),
        ({"version": 3}, "Update Viewloom"),
        ({"dataset": None}, "dataset must be given"),
        ({"accumulate": 3}, "divisor"),
        ({"terms": [{"composition": {"name": "a", "views": [{"name": "v", "count": 3}]}}]}, "two global views"),
    ],
)
def test_a_wrong_spec_is_refused_with_the_remedy(change, words):
    with pytest.raises(SpecError) as caught:
        _spec(**change)
    assert words in caught.value.message


def test_a_spec_file_may_name_a_composition_beside_it(tmp_path):
    (tmp_path / "mine.yaml").write_text("name: mine\nsteps: [{transform: invert}]\n", encoding="utf-8")
    (tmp_path / "spec.yaml").write_text(
        "dataset: strokes\nmethod: simclr\nterms: [{composition: mine.yaml}]\nepochs: 1\n", encoding="utf-8"
    )
    assert load_run(tmp_path / "spec.yaml").terms[0].composition.name == "mine"


@pytest.mark.parametrize("text", ["", "just text", "[1]", "\x00"])
def test_an_empty_or_foreign_file_is_bad_input(tmp_path, text):
    (tmp_path / "spec.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SpecError):
        load_run(tmp_path / "spec.yaml")
    with pytest.raises(SpecError, match="readable file"):
        load_run(tmp_path / "nothing.yaml")


def test_a_sweep_varies_by_path_with_seeds_innermost():
    sweep = SweepSpec.from_mapping(
        {
            **SPEC,
            "terms": "cifar-base",
            "seeds": [5, 6],
            "vary": {
                "terms.0.composition.steps.color_jitter.hue": {"from": 0, "to": 0.5, "count": 3},
                "*": [{"epochs": 1, "batch_size": 64}, {"epochs": 2}],
            },
        }
    )
    runs = sweep.runs()
    assert len(runs) == 12
    assert [r.spec.seed for r in runs[:4]] == [5, 6, 5, 6]
    assert [r.spec.terms[0].composition.steps[1]["hue"] for r in runs[::4]] == [0, 0.25, 0.5]
    assert [(r.spec.epochs, r.spec.batch_size) for r in runs[:4:2]] == [(1, 64), (2, 256)]
    assert runs[0].spec.keep.embedding == "test"
    assert len(SweepSpec.from_mapping({**SPEC, "seeds": [1], "vary": {}}).runs()) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"seeds": []},
        {"seeds": [5, 5]},
        {"vary": {"epochs": []}},
        {"vary": {"epochs": {"from": 1}}},
        {"vary": {"epochs": {"from": 0, "to": 1, "count": 3, "log": True}}},
        {"sampler": "best"},
        {"vary": {"terms.0.composition.steps.hue_jitter.hue": [0.1]}},
        {"vary": {"nothing.there": [1]}},
        {"vary": {"epochs": [0]}},
    ],
)
def test_a_wrong_sweep_is_refused(change):
    with pytest.raises(SpecError):
        SweepSpec.from_mapping({**SPEC, "seeds": [5], "vary": {}, **change}).runs()


def test_a_random_sampler_takes_the_same_points_each_time():
    data = {**SPEC, "vary": {"epochs": list(range(1, 21))}, "sampler": {"name": "random", "count": 5, "seed": 3}}
    first = [r.spec.epochs for r in SweepSpec.from_mapping(data).runs()]
    assert len(first) == 5
    assert first == [r.spec.epochs for r in SweepSpec.from_mapping(data).runs()]
