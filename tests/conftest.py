"""Every test has stores of its own; threads are bounded so that two cores go round."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile

os.environ.setdefault("OMP_NUM_THREADS", "1")
# Before numba is imported: kernels are compiled once for all tests and their children, and again when they change.
os.environ.setdefault("NUMBA_CACHE_DIR", os.path.join(tempfile.gettempdir(), "viewloom-numba"))
os.environ.setdefault(
    "HYPOTHESIS_STORAGE_DIRECTORY", os.path.join(os.environ.get("TMPDIR", "/tmp"), "viewloom-hypothesis")
)

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("viewloom", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("viewloom")


def pytest_collection_modifyitems(config, items):
    """Where several processes share the tests, files that take long come first, so that the processes end together."""
    if hasattr(config, "workerinput"):
        long = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in long)


@pytest.fixture(scope="session")
def cache_home(tmp_path_factory):
    """One place for compiled code and weights' caches, shared by all tests of a run."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_main():
    """A page that ran in a test leaves itself behind as `__main__`, and a spawned process would run it again."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


@pytest.fixture(autouse=True)
def own_cache():
    """What pages keep for their visitors is not kept from one test to the next."""
    yield
    if kept := sys.modules.get("pages.ui.kit.cache"):
        kept.SHARED.clear()


@pytest.fixture(autouse=True)
def own_stores(tmp_path, monkeypatch, cache_home):
    """Stores in a temporary folder."""
    monkeypatch.setenv("SSRL_DATA", str(tmp_path / "store" / "data"))
    monkeypatch.setenv("SSRL_MODELS", str(tmp_path / "store" / "models"))
    monkeypatch.setenv("SSRL_DEMO", str(tmp_path / "store" / "models" / "demo"))  # none, unless a test lays one there
    for variable in ("TORCH_HOME", "MPLCONFIGDIR", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"):
        monkeypatch.setenv(variable, str(cache_home / variable.lower()))


@pytest.fixture
def server(monkeypatch):
    """The module of the app's server. It changes the process that imports it: here not beyond a test."""
    from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

    from pages.ui.kit import sign_in

    monkeypatch.setattr(sign_in, "_gate", None)
    monkeypatch.setattr(ForwardMsgQueue, "clear", ForwardMsgQueue.clear)
    return importlib.import_module("pages.ui.kit.server")
