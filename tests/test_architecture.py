"""The house holds: imports point one way, the core is free of Streamlit, and nothing heavy is imported too early."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = [
    "errors",
    "stores",
    "access",
    "specs",
    "datasets",
    "compositions",
    "learning",
    "analysis",
    "forecast",
    "runs",
    "exports",
    "paper",
    "library",
    "cli",
    "start",
]
RUNS = ["folder", "evaluation", "child", "queue", "worker", "jobs"]
HEAVY = ("torch", "umap", "lpips")
CORE = sorted((ROOT / "ssrl_core").rglob("*.py"))
PAGES = sorted([*(ROOT / "pages").rglob("*.py"), ROOT / "app.py"])


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _room_of_runs(name: str) -> str:
    """`folder` of `ssrl_core.runs.folder.state`; "" of the package itself."""
    return (*name.split("."), "", "")[2]


def _rooms(path: Path) -> set[str]:
    """Rooms of ssrl_core that a file imports from."""
    names = {name.split(".")[1] for name in _imports(path) if name.startswith("ssrl_core.")}
    return names & {*ROOMS, "figures"}


@pytest.mark.parametrize("path", CORE, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_room_imports_only_from_those_left_of_it(path):
    room = path.relative_to(ROOT / "ssrl_core").parts[0].removesuffix(".py")
    assert "streamlit" not in {name.split(".")[0] for name in _imports(path)}
    if room in ("__init__", "__main__"):
        return
    allowed = {"errors", "figures"} if room == "figures" else set(ROOMS[: ROOMS.index(room) + 1])
    if room in ("library", "cli"):
        allowed.add("figures")
    assert _rooms(path) <= allowed


def test_the_rooms_of_runs_import_only_from_those_before_them():
    wrong = []
    for path in (ROOT / "ssrl_core" / "runs").rglob("*.py"):
        own = _room_of_runs(_name(path))
        for other in {_room_of_runs(name) for name in _imports(path) if name.startswith("ssrl_core.runs.")}:
            if own in RUNS and other in RUNS and RUNS.index(other) > RUNS.index(own):
                wrong.append(f"{path.relative_to(ROOT)} imports runs.{other}")
    assert wrong == []


def test_no_modules_of_runs_import_each_other_in_a_circle():
    modules = {_name(path): path for path in (ROOT / "ssrl_core" / "runs").rglob("*.py")}
    imports = {name: (_imports(path) & modules.keys()) - {name} for name, path in modules.items()}
    while free := {name for name, others in imports.items() if not others}:  # what imports nothing that is left
        imports = {name: others - free for name, others in imports.items() if name not in free}
    assert imports == {}


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_pages_never_import_learning_and_ui_never_imports_a_page(path):
    assert "learning" not in _rooms(path)
    if "ui" in path.relative_to(ROOT).parts:
        assert not any(name.startswith("pages.") and not name.startswith("pages.ui") for name in _imports(path))


PAGE_FOLDERS = {"home", "data", "compose", "train", "clusters", "classes", "compare", "show", "paper"}
SHARED_FOLDERS = {"kit": set(), "map": {"kit"}, "runs": {"kit"}}


def test_a_pages_folder_imports_no_other_pages_folder_and_shared_ones_point_down():
    found = set()
    for path in (ROOT / "pages" / "ui").rglob("*.py"):
        own = path.relative_to(ROOT / "pages" / "ui").parts[0]
        allowed = {own, *SHARED_FOLDERS.get(own, SHARED_FOLDERS)}
        names = {name.split(".")[2] for name in _imports(path) if name.startswith("pages.ui.")}
        found |= {f"{own} -> {other}" for other in (names & {*PAGE_FOLDERS, *SHARED_FOLDERS}) - allowed}
    assert not found


LIGHT = (
    "ssrl_core",
    "ssrl_core.specs.run",
    "ssrl_core.datasets.store",
    "ssrl_core.analysis.scores",
    "ssrl_core.forecast",
    "ssrl_core.runs.queue.submitting",
    "ssrl_core.runs.worker.coordinator",
    "ssrl_core.figures.curves",
    "ssrl_core.library",
    "ssrl_core.cli",
)


@pytest.mark.parametrize("module", LIGHT)
def test_importing_leaves_heavy_packages_out(module, tmp_path):
    code = (
        f"import sys, {module}\n"
        "if 'ssrl_core.cli' in sys.modules: sys.modules['ssrl_core.cli'].parser()\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_every_name_that_is_loaded_when_first_used_is_there():
    lazy = [path for path in CORE if path.name == "__init__.py" and "def __getattr__" in path.read_text("utf-8")]
    assert len(lazy) >= 5
    for path in lazy:
        package = importlib.import_module(_name(path))
        names = {*dir(package), *getattr(package, "__all__", ())}
        missing = [name for name in names if not hasattr(package, name)]
        assert missing == [], path


@pytest.mark.parametrize("page", [p for p in PAGES if "ui" not in p.relative_to(ROOT).parts], ids=lambda p: p.name)
def test_every_page_opens_without_torch(page, tmp_path):
    code = (
        "import sys, runpy, logging, streamlit; logging.disable(logging.CRITICAL); sys.path.insert(0, '.')\n"
        f"try: runpy.run_path({str(page)!r}, run_name='__main__')\n"
        "except BaseException as e: sys.stderr.write(repr(e))\n"
        f"print('HEAVY', [m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert "HEAVY []" in done.stdout, done.stdout[-500:] + done.stderr[-1500:]


def test_with_the_example_the_pages_that_look_load_nothing_that_learns_lays_out_or_prints():
    """What takes long to load is loaded where somebody asks for it, or in the background (`start.warm`)."""
    pages = ["app.py", "pages/1_Data.py", "pages/4_Clusters.py", "pages/5_Classes.py", "pages/7_Paper.py"]
    heavy = (*HEAVY, "numba", "sklearn", "openTSNE", "matplotlib", "statsmodels")
    code = (
        "import sys, logging; logging.disable(logging.CRITICAL); sys.path.insert(0, '.')\n"
        "from streamlit.testing.v1 import AppTest\n"
        f"for page in {[str(ROOT / page) for page in pages]!r}:\n"
        "    test = AppTest.from_file(page, default_timeout=120).run(); assert not test.exception, test.exception\n"
        f"    print('HEAVY', page, [m for m in {heavy!r} if m in sys.modules])\n"
    )
    shipped = {**os.environ, "SSRL_DEMO": str(ROOT / "models" / "demo")}
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=ROOT, env=shipped, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.count("[]") == len(pages), done.stdout + done.stderr[-1500:]
