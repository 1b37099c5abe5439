"""The wheel has library, command line and app: in an environment of its own, in another folder, no source near."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
import zipfile

import numpy as np
import pytest

import ssrl_core as vl
from ssrl_core.datasets import pictures
from tests.kit import ROOT, shared

pytestmark = pytest.mark.slow
_TAKEN = (
    "ssrl_core",
    "pages",
    ".streamlit",
    "app.py",
    "setup.py",
    "pyproject.toml",
    "requirements.txt",
    "README.md",
    "LICENSE",
)
_SHIPPED = ("models/demo", "docs/results")
_OPEN = """
from streamlit.testing.v1 import AppTest
from ssrl_core import start
test = AppTest.from_file(str(start.ROOT / "app.py"), default_timeout=120).run()
assert not test.exception, test.exception
for page in sorted((start.ROOT / "pages").glob("*.py")):
    test.switch_page(f"pages/{page.name}").run()
    assert "No finished runs" not in " ".join(str(part.proto.body) for part in test.get("html")), page
    assert not test.exception, (page, test.exception)
print(len(list((start.ROOT / "pages").glob("*.py"))), "pages of", start.ROOT)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of the source tree."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for name in (*_TAKEN, *_SHIPPED):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)
    _run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(out), str(tree)])
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """The Python of a new environment that has the wheel, and what it requires from the one that runs the tests."""
    folder = tmp_path_factory.mktemp("environment")
    _run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    own = folder / "bin" / "python"
    place = _run([str(own), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()
    with open(f"{place}/borrowed.pth", "w", encoding="utf-8") as file:
        file.write(sysconfig.get_path("purelib") + "\n")
    _run([sys.executable, "-m", "pip", "--python", str(own), "install", "-q", "--no-deps", "--no-index", str(wheel)])
    return own


@pytest.fixture
def elsewhere(tmp_path):
    """Another folder, and an environment whose stores are those of a new user: ~/viewloom."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    left_out = ("SSRL_DATA", "SSRL_MODELS", "SSRL_DEMO", "PYTHONPATH")
    return folder, {**{k: v for k, v in os.environ.items() if k not in left_out}, "HOME": str(tmp_path / "home")}


def _run(words, **more):
    done = subprocess.run(words, capture_output=True, text=True, timeout=500, check=False, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_has_the_app_and_nothing_of_it_at_the_top(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"ssrl_core"}
    there = {name.removeprefix("ssrl_core/app/") for name in names if name.startswith("ssrl_core/app/")}
    kinds = (".py", ".js", ".css", ".svg", ".yaml")
    pages = {str(p.relative_to(ROOT)) for p in (ROOT / "pages").rglob("*") if p.suffix in kinds}
    results = {str(p.relative_to(ROOT)) for p in (ROOT / "docs" / "results").glob("*.json")}
    example = {str(p.relative_to(ROOT)) for p in (ROOT / "models" / "demo").rglob("*") if p.is_file()}
    assert there == pages | results | example | {"app.py", ".streamlit/config.toml"}
    data = (".yaml", ".json", ".csv")
    library = {str(p.relative_to(ROOT)) for p in (ROOT / "ssrl_core").rglob("*") if p.suffix in (".py", *data)}
    assert library <= set(names)


def test_the_command_line_works_from_another_folder(python, elsewhere, tmp_path):
    folder, environment = elsewhere
    said = _run(
        [str(python.with_name("viewloom")), "compose", "show", "mnist-first-set", "--json"], cwd=folder, env=environment
    )
    assert json.loads(said)["ok"]
    _run([str(python.with_name("viewloom")), "data", "list"], cwd=folder, env=environment)
    assert (tmp_path / "home" / "viewloom" / "data").is_dir()
    assert list(folder.iterdir()) == []


def test_the_script_of_the_documentation_runs_in_an_empty_folder(python, elsewhere, tmp_path):
    folder, environment = elsewhere
    text = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
    script = re.search(r"<!-- tested.*?```python\n(.*?)```", text, re.DOTALL)[1]
    assert len([line for line in script.splitlines() if line.strip()]) <= 20
    weights = tmp_path / "home" / "viewloom" / "models" / "weights"
    weights.mkdir(parents=True)
    shutil.copy(shared("data/weights/alexnet_features.safetensors"), weights)
    _write_photos(folder / "photos")
    try:
        said = _run([str(python), "-c", script], cwd=folder, env=environment)
    finally:
        end = "from ssrl_core.runs.queue import processes; processes.ask_to_end()"
        _run([str(python), "-c", end], cwd=folder, env=environment)
    assert " done kNN" in said
    assert {path.name for path in folder.iterdir()} == {"photos", "map.html", "groups.csv"}


def _write_photos(folder):
    """Real digits of three classes as files."""
    digits = vl.load("digits")
    for image in np.flatnonzero(digits.label_ids < 3)[:150]:
        own = folder / digits.classes[digits.label_ids[image]]
        own.mkdir(parents=True, exist_ok=True)
        rgb = pictures.to_rgb(digits.pixels[image : image + 1], digits.channels, max_value=digits.max_value)[0]
        (own / f"{image}.png").write_bytes(pictures.png(rgb.repeat(3, axis=0).repeat(3, axis=1)))


def test_every_page_opens_from_the_wheel(python, elsewhere):
    folder, environment = elsewhere
    said = _run([str(python), "-c", _OPEN], cwd=folder, env=environment)
    assert said.splitlines()[-1].startswith(f"{len(list((ROOT / 'pages').glob('*.py')))} pages of ")
    assert str(ROOT) not in said


def test_viewloom_alone_starts_the_app_and_its_worker_and_ends_the_app(python, elsewhere, tmp_path):
    folder, environment = elsewhere
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [str(python.with_name("viewloom")), "--no-browser", "--port", str(port)]
    app = subprocess.Popen(words, cwd=folder, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    worker = tmp_path / "home" / "viewloom" / "models" / "coordinator.json"
    try:
        assert _soon(
            lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5).read() == b"ok"
        )
        assert _soon(worker.is_file)
        app.terminate()
        app.wait(30)
        with pytest.raises(OSError, match="refused"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=5)
        os.kill(json.loads(worker.read_text())["pid"], 0)  # trainings go on
    finally:
        if app.poll() is None:
            os.killpg(app.pid, signal.SIGKILL)
        if worker.is_file():
            os.kill(json.loads(worker.read_text())["pid"], signal.SIGTERM)


def _soon(happens, within_s=120):
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if happens():
                return True
        except OSError:
            pass
        time.sleep(0.2)
    return False
