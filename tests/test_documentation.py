"""Documentation is run or checked against the code."""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import tomllib

import pytest
import yaml

from ssrl_core.cli import parser
from ssrl_core.runs.folder.state import empty_state
from ssrl_core.runs.queue import registry_file
from ssrl_core.specs.methods import METHODS, UNTRAINED
from ssrl_core.specs.run import RunSpec, load_run
from ssrl_core.specs.sweep import load_sweep
from ssrl_core.specs.transforms import TRANSFORMS
from ssrl_core.specs.wishes import load_wishes
from ssrl_core.specs.yaml_files import parse_yaml
from tests.kit import ROOT, make_imageset
from tests.test_architecture import ROOMS

DOCS = ROOT / "docs"


def _tables():
    spec = importlib.util.spec_from_file_location("tables", DOCS / "tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["transforms.md", "methods.md", "backbones.md", "classes.md", "commands.md"])
def test_tables_are_those_of_the_code(name):
    assert (DOCS / name).read_text(encoding="utf-8") == _tables().PAGES[name](), "run: python docs/tables.py"


def test_the_drawing_is_that_of_the_imports():
    done = subprocess.run(
        [sys.executable, str(DOCS / "drawing.py"), "--check"], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_every_example_is_valid():
    for path in sorted((DOCS / "examples").glob("*.yaml")):
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        if "wishes" in data:
            load_wishes(path)
        else:
            load_sweep(path).runs() if "vary" in data else load_run(path)


def _contract(number: int) -> str:
    """The text under one heading of the contracts."""
    text = (DOCS / "contracts.md").read_text(encoding="utf-8")
    return re.split(r"^## ", text.split(f"\n## C{number} ", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def _first_cells(table: str) -> set[str]:
    """The names in back quotes in the first cell of each row."""
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return {name for cell in rows for name in re.findall(r"`([^`]+)`", cell)}


def test_every_contract_that_is_cited_is_a_heading():
    headings = set(re.findall(r"^## (C\d+) ", (DOCS / "contracts.md").read_text(encoding="utf-8"), re.MULTILINE))
    for path in [*(ROOT / "ssrl_core").rglob("*.py"), *(ROOT / "pages").rglob("*.py"), *DOCS.glob("*.md")]:
        text = path.read_text(encoding="utf-8")
        cited = set(re.findall(r"(?:docs/contracts.md,? |\(|contracts\.md[,:)]? )(C\d{1,2})\b", text))
        assert cited <= headings, f"{path.relative_to(ROOT)}: {sorted(cited - headings)}"


def test_the_rooms_of_the_contracts_are_those_that_are_held():
    assert " · ".join(ROOMS) in _contract(1)


def test_the_contract_of_an_image_set_names_what_its_file_holds():
    imageset = make_imageset(4, 1, 8, "uint8", 2)
    for key in {*imageset.meta, "window"}:
        assert re.search(rf"\b{key}\b", _contract(2)), key


def test_the_contract_of_a_composition_names_every_transform_and_its_parameters():
    rows = [line for line in _contract(3).splitlines() if line.startswith("| `")]
    assert _first_cells(_contract(3)) == set(TRANSFORMS)
    for row in TRANSFORMS.values():
        line = next(line for line in rows if f"`{row.name}`" in line.split("|")[1])
        for parameter in row.parameters:
            assert parameter.name in line, f"{row.name}: {parameter.name}"


def test_the_contract_of_a_run_is_a_spec_and_names_every_method_setting():
    text = _contract(5)
    data = parse_yaml(re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1], "docs/contracts.md")
    assert set(data) <= set(RunSpec.from_mapping(data).to_mapping())
    for method in (*METHODS.values(), *UNTRAINED.values()):
        for setting in method.settings:
            assert re.search(rf"\b{setting.name}\b", text), setting.name


def test_the_contract_of_the_registry_and_of_a_run_folder_names_their_fields():
    text = _contract(6)
    for name in {*registry_file.COLUMNS, *empty_state("a")}:
        assert re.search(rf"\b{name}\b", text), name


def test_the_contract_of_the_command_line_names_every_command():
    top = next(action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    known = set()
    for name, command in top.choices.items():
        below = [a for a in command._actions if isinstance(a, argparse._SubParsersAction)]
        known |= {f"{name} {action}" for group in below for action in group.choices} or {name}
    assert _first_cells(_contract(11)) == known


def test_every_link_between_documents_leads_somewhere():
    for path in [*ROOT.glob("*.md"), *DOCS.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
            place = (
                ROOT / "CONTRIBUTING.md" if path.parent / target == DOCS / "contributing.md" else path.parent / target
            )
            assert place.exists(), f"{path.name}: {target}"  # docs/hooks.py takes the former into the site


def test_every_picture_of_the_guides_is_there_light_and_dark_and_they_are_small():
    files = {path.name for path in (DOCS / "pictures").iterdir()}
    named = set()
    for path in DOCS.rglob("*.md"):
        named |= set(re.findall(r"pictures/([a-z]+-(?:light|dark)\.webp)", path.read_text(encoding="utf-8")))
    assert {f"{name.rsplit('-', 1)[0]}-{theme}.webp" for name in named for theme in ("light", "dark")} == named
    assert named == files
    assert sum((DOCS / "pictures" / name).stat().st_size for name in files) < 3_000_000


def test_contributing_names_files_that_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for name in re.findall(r"`((?:ssrl_core|pages|tests|docs)/[a-z_/]+(?:\.py|\.md)?)`", text):
        assert (ROOT / name).exists(), name


def test_requirement_lines_say_why():
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        assert not line or "#" in line, line


def test_every_extra_is_there_when_the_tests_run():
    with open(ROOT / "pyproject.toml", "rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    assert {"cluster", "microscopy", "h5ad", "onnx", "timm", "tracking", "optuna"} <= set(extras)
    installed = {line.split("#")[0].strip() for line in (ROOT / "requirements-dev.txt").read_text().splitlines()}
    wanted = {package for name, packages in extras.items() if name != "tracking" for package in packages}
    assert wanted <= installed  # the trackers are large, and stood in for
