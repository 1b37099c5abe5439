"""Recipes: whole sets of settings by name, gone once a spec is resolved."""

from __future__ import annotations

import pytest

from ssrl_core.errors import SpecError
from ssrl_core.specs.methods import METHODS
from ssrl_core.specs.recipes import RECIPES
from ssrl_core.specs.run import RunSpec, dump_run
from ssrl_core.specs.yaml_files import parse_yaml

PLAIN = {"dataset": "strokes", "backbone": "tiny_cnn", "terms": "cifar-base"}
ALL = [(name, method) for name, row in RECIPES.items() for method in row.of]


@pytest.mark.parametrize(("name", "method"), ALL)
def test_every_recipe_makes_a_valid_spec(name: str, method: str) -> None:
    spec = RunSpec.from_mapping({**PLAIN, "method": method, "recipe": name})
    assert spec == RunSpec.from_mapping(parse_yaml(dump_run(spec), "spec"))
    assert "recipe" not in spec.to_mapping()


def test_every_method_has_its_defaults_and_a_small_recipe_and_the_thirteen_of_the_paper_its_own() -> None:
    for name in ("solo-learn", "small"):
        assert set(RECIPES[name].of) == set(METHODS)
    assert set(METHODS) - set(RECIPES["paper"].of) == {"lejepa", "w_mse"}


def test_the_papers_recipe_is_its_appendix_b() -> None:
    spec = RunSpec.from_mapping({**PLAIN, "method": "simclr", "recipe": "paper"})
    assert (spec.batch_size, spec.optimizer.name, spec.optimizer.lr, spec.optimizer.weight_decay) == (
        512,
        "sgd",
        0.4,
        1e-5,
    )
    small_batches = {m for m, recipe in RECIPES["paper"].of.items() if recipe.batch_size == 256}
    assert small_batches == {"dino", "vicreg"}
    assert RECIPES["paper"].of["dino"].optimizer["weight_decay"] == 1e-4


def test_what_is_written_out_wins_over_the_recipe() -> None:
    given = {**PLAIN, "method": {"name": "byol", "hidden_dim": 33}, "recipe": "small", "batch_size": 32}
    spec = RunSpec.from_mapping({**given, "optimizer": {"name": "sgd", "lr": 0.1}})
    assert (spec.method["hidden_dim"], spec.batch_size, spec.optimizer.name) == (33, 32, "sgd")
    assert spec.method["projection_dim"] == RECIPES["small"].of["byol"].method["projection_dim"]


def test_a_recipe_that_a_method_has_not_is_refused_with_those_it_has() -> None:
    with pytest.raises(SpecError, match="solo-learn, paper, authors, authors-imagenet100, small for method dino"):
        RunSpec.from_mapping({**PLAIN, "method": "dino", "recipe": "paper-imagenet100"})


SCRIPTS = {  # optimizer, rate, weight decay, batch, then what the launch scripts say of each method
    "barlow_twins": ("lars", 0.3, 1e-4, 512, {"hidden_dim": 2048, "projection_dim": 2048, "loss_scale": 0.1}),
    "byol": ("lars", 1.0, 1e-5, 512, {"hidden_dim": 4096, "projection_dim": 256, "predictor_dim": 4096}),
    "deepcluster_v2": ("lars", 0.6, 1e-6, 512, {"projection_dim": 128, "prototypes": 3000, "prototype_sets": 3}),
    "dino": ("lars", 0.3, 1e-6, 256, {"projection_dim": 256, "prototypes": 4096, "momentum_start": 0.9995}),
    "moco_v2_plus": ("sgd", 0.3, 1e-4, 512, {"queue_size": 32768, "temperature": 0.2, "momentum_end": 0.999}),
    "nnbyol": ("lars", 1.0, 1e-5, 512, {"hidden_dim": 4096, "projection_dim": 256, "predictor_dim": 4096}),
    "nnclr": ("lars", 0.4, 1e-5, 512, {"predictor_dim": 4096, "queue_size": 65536, "temperature": 0.2}),
    "ressl": ("sgd", 0.05, 1e-4, 512, {"hidden_dim": 4096, "projection_dim": 256}),
    "simclr": ("lars", 0.4, 1e-5, 512, {"hidden_dim": 2048, "projection_dim": 256, "temperature": 0.2}),
    "simsiam": ("sgd", 0.5, 1e-5, 512, {"hidden_dim": 2048, "projection_dim": 2048, "predictor_dim": 512}),
    "swav": ("lars", 0.6, 1e-6, 512, {"queue_size": 3840, "queue_from_epoch": 50, "freeze_prototypes_epochs": 2}),
    "vibcreg": ("lars", 0.3, 1e-4, 512, {"projection_dim": 2048, "covariance_weight": 200.0}),
    "vicreg": ("lars", 0.3, 1e-4, 256, {"projection_dim": 2048, "covariance_weight": 1.0}),
}


def test_the_authors_recipe_is_the_table_of_their_launch_scripts() -> None:
    assert set(RECIPES["authors"].of) == set(SCRIPTS)
    for method, (name, lr, decay, batch, settings) in SCRIPTS.items():
        spec = RunSpec.from_mapping({**PLAIN, "method": method, "recipe": "authors"})
        own = spec.optimizer
        assert (own.name, own.lr, own.weight_decay, spec.batch_size) == (name, lr, decay, batch)
        assert own.lr_scaling == "batch256"
        assert {key: spec.method[key] for key in settings} == settings
        assert spec.schedule.final_lr == (6e-4 if method in ("swav", "deepcluster_v2") else 0.0)
    first = {"byol": 0.45, "barlow_twins": 0.8, "deepcluster_v2": 0.6, "moco_v2_plus": 0.3}
    for method, lr in first.items():
        spec = RunSpec.from_mapping({**PLAIN, "method": method, "recipe": "authors-imagenet100"})
        assert (spec.optimizer.lr, spec.batch_size) == (lr, 256 if method == "deepcluster_v2" else 128)
        assert spec.method.settings.get("queue_size", 65536) == 65536
