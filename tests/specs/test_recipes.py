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
    with pytest.raises(SpecError, match="solo-learn, paper, small for method dino"):
        RunSpec.from_mapping({**PLAIN, "method": "dino", "recipe": "paper-imagenet100"})
