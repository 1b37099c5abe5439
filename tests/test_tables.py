"""What grows is a table and a folder: a row without its file, or a file without its row, fails here."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest

from ssrl_core.analysis.descriptors import DESCRIPTORS
from ssrl_core.analysis.descriptors import FILES as DESCRIPTOR_FILES
from ssrl_core.analysis.doses import DOSE_MODELS
from ssrl_core.cli import COMMANDS
from ssrl_core.compositions.lpips import NETWORKS
from ssrl_core.datasets.builtin import BUILT_IN
from ssrl_core.exports import EXPORTS
from ssrl_core.learning import features
from ssrl_core.learning.backbones import names as backbone_names
from ssrl_core.specs.backbones import BACKBONES, BANKS
from ssrl_core.specs.methods import METHODS
from ssrl_core.specs.parts import LAYOUTS, PARTS
from ssrl_core.specs.transforms import TRANSFORMS
from tests.kit import ROOT


def _stems(folder: str, *but: str) -> set[str]:
    return {path.stem for path in (ROOT / folder).glob("*.py")} - {"__init__", *but}


def test_every_transform_is_a_row_and_a_file():
    assert set(TRANSFORMS) == _stems("ssrl_core/compositions/transforms")


@pytest.mark.parametrize("name", TRANSFORMS)
def test_every_transform_draws_and_changes_images_as_its_kind_says(name):
    module = importlib.import_module(f"ssrl_core.compositions.transforms.{name}")
    assert callable(module.place if TRANSFORMS[name].kind == "geometry" else module.apply)
    assert callable(module.describe)
    assert module.SLOTS == 0 or callable(module.draw)
    assert module.SLOTS <= 31


def test_every_method_is_a_row_and_a_file():
    assert set(METHODS) - {"pretrained"} == _stems("ssrl_core/learning/methods", "base")
    for name in _stems("ssrl_core/learning/methods", "base"):
        assert importlib.import_module(f"ssrl_core.learning.methods.{name}").METHOD


def test_every_backbone_is_a_row_and_is_built_by_a_family():
    assert set(BACKBONES) == set(backbone_names())


def test_every_feature_bank_is_a_row_and_is_built_by_a_family():
    families = _stems("ssrl_core/learning/features")
    built = {name for f in families for name in importlib.import_module(f"{features.__name__}.{f}").NAMES}
    assert set(BANKS) == built


def test_every_image_set_that_ships_is_a_row_and_has_a_maker():
    for row in BUILT_IN.values():
        assert callable(importlib.import_module(f"ssrl_core.datasets.made.{row.module}").make), row.name


def test_every_descriptor_is_a_function_and_a_row_beside_it():
    assert set(DESCRIPTOR_FILES) == _stems("ssrl_core/analysis/descriptors", "images")
    for file in DESCRIPTOR_FILES:
        module = importlib.import_module(f"ssrl_core.analysis.descriptors.{file}")
        measured = {
            name for name, one in vars(module).items() if inspect.isfunction(one) and one.__module__ == module.__name__
        }
        assert {row.name for row in module.DESCRIPTORS} == {name for name in measured if not name.startswith("_")}
        assert all(DESCRIPTORS[row.name].measure is getattr(module, row.name) for row in module.DESCRIPTORS)


def test_every_part_of_evaluation_is_a_row_and_a_file():
    assert {row.name for row in PARTS.values()} == _stems("ssrl_core/runs/evaluation/parts")


def test_every_export_is_a_row_and_has_a_writer():
    for name, row in EXPORTS.items():
        module = importlib.import_module(f"ssrl_core.exports.{row.module or name}")
        assert callable(getattr(module, f"write_{name}")), name


def test_every_command_is_a_row_and_a_file():
    registering = set()
    for path in (ROOT / "ssrl_core/cli").glob("*.py"):
        for other in re.findall(r"\ndef register(?:_(\w+))?\(commands", path.read_text()):
            registering.add((other or path.stem, path.stem))
    assert set(COMMANDS.items()) == registering


def test_every_page_is_a_row_of_the_side_bar():
    from pages.ui.kit.frame import PAGES

    rows = {Path(file).name for group in PAGES.values() for file, *_ in group}
    assert rows == {path.name for path in (ROOT / "pages").glob("*.py")}


@pytest.mark.parametrize("table", [LAYOUTS, DOSE_MODELS, NETWORKS], ids=["layouts", "dose models", "LPIPS networks"])
def test_every_row_has_a_title(table):
    assert all(row.title for row in table.values())


def test_every_lpips_network_is_one_of_the_package():
    package = importlib.util.find_spec("lpips").submodule_search_locations[0]
    for name in NETWORKS:
        assert (Path(package) / "weights" / "v0.1" / f"{name}.pth").is_file(), name
