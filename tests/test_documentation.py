"""Documentation is run or checked against the code."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib

import pytest
import yaml

from ssrl_core.specs.composition import Composition
from ssrl_core.specs.run import RunSpec, load_run
from ssrl_core.specs.sweep import SweepSpec, load_sweep
from ssrl_core.specs.yaml_files import parse_yaml
from tests.kit import ROOT

DOCS = ROOT / "docs"
READERS = {
    "composition": Composition.from_mapping,
    "run": RunSpec.from_mapping,
    "sweep": lambda data: SweepSpec.from_mapping(data).runs(),
}


def _tables():
    spec = importlib.util.spec_from_file_location("tables", DOCS / "tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["transforms.md", "methods.md", "backbones.md", "classes.md", "commands.md"])
def test_tables_are_those_of_the_code(name):
    assert (DOCS / name).read_text(encoding="utf-8") == _tables().PAGES[name](), "run: python docs/tables.py"


def test_every_spec_in_the_documentation_is_valid():
    blocks = re.findall(r"```yaml (\w+)\n(.*?)```", (DOCS / "specs.md").read_text(encoding="utf-8"), re.DOTALL)
    assert {kind for kind, _ in blocks} == set(READERS)
    for kind, text in blocks:
        READERS[kind](parse_yaml(text, "docs/specs.md"))


def test_every_example_is_valid():
    for path in sorted((DOCS / "examples").glob("*.yaml")):
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        load_sweep(path).runs() if "vary" in data else load_run(path)


def test_every_link_between_documents_leads_somewhere():
    for path in [*ROOT.glob("*.md"), *DOCS.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


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


@pytest.mark.slow
def test_the_commands_of_the_readme_work_as_they_stand(tmp_path):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = text.split("<!-- tested", 1)[1].split("```")[1]
    lines = [line for line in block.splitlines() if line.strip()]
    assert len(lines) >= 4
    for line in lines:
        words = shlex.split(line)
        assert words[:3] == ["python", "-m", "ssrl_core"]
        words = [str(tmp_path / w) if w == "views.png" else w for w in words]
        done = subprocess.run(
            [sys.executable, *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False, timeout=400
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert (tmp_path / "views.png").stat().st_size > 1000
