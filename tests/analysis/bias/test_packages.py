"""What the packages offer can be had, whatever was imported before, and brings nothing heavy along."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

from tests.kit import ROOT

PACKAGES = ("ssrl_core.analysis.bias", "ssrl_core.analysis.properties", "ssrl_core.figures.bias")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_is_there_and_no_module_hides_it(package):
    module = importlib.import_module(package)
    for found in pkgutil.iter_modules(module.__path__):
        importlib.import_module(f"{package}.{found.name}")
    for name in dir(module):
        assert type(getattr(module, name)).__name__ != "module", name
    with pytest.raises(AttributeError):
        module.nothing_of_that_name


def test_statistics_and_figures_need_no_torch():
    names = [f"{package}.{m.name}" for package in PACKAGES for m in _modules(package)]
    code = (
        f"import sys, {', '.join(names)}; print([m for m in ('torch', 'umap', 'lpips', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def _modules(package):
    return pkgutil.iter_modules(importlib.import_module(package).__path__)
