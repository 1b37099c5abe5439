"""Every command and snippet of the documents is run as it stands; what cannot be says here where it is tried."""

from __future__ import annotations

import re
import shlex
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from ssrl_core import stores
from ssrl_core.cli import main, parser
from ssrl_core.runs.queue import processes
from ssrl_core.specs.composition import Composition
from ssrl_core.specs.run import RunSpec
from ssrl_core.specs.sweep import SweepSpec
from ssrl_core.specs.wishes import Wishes
from ssrl_core.specs.yaml_files import parse_yaml
from tests.kit import FULL, ROOT

DOCS = ROOT / "docs"
PAGES = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "data/README.md", "models/README.md")),
    *sorted(DOCS.glob("*.md")),
    *sorted((DOCS / "results").glob("*.md")),
)
READERS = {
    "composition": Composition.from_mapping,
    "run": RunSpec.from_mapping,
    "sweep": lambda data: SweepSpec.from_mapping(data).runs(),
    "wishes": Wishes.from_mapping,
}
ELSEWHERE = {
    "python app.py": "tests/test_start.py",
    "python tests": "tests/test_start.py",
    "pip install": "tests/test_wheel.py",
    "viewloom --no-browser": "tests/test_wheel.py",
    "docker compose": "tests/test_container.py",
    "sbatch ": "tests/runs/test_sbatch.py",
    "python docs/": "tests/test_documentation.py",
}
"""How a line begins that is tried by another test -> that test's file."""
OF_OTHERS = ("export ", "source ", "cd ", "git clone ", "ssh ", "rsync ")
"""Lines that are a shell's or another program's own."""
TOO_LONG = {
    "paper run": "hours of training; tests/paper queues and runs what it queues",
    "worker --engine": "wants a cluster; tests/runs/test_cluster.py has one",
}
"""Commands that are read by the real parser and not run, with why."""
CHEAP = {
    "wishes.yaml": {"candidates": 2},
    "digits.yaml": {"epochs": 1, "evaluate": {"clusters": [10], "layouts": []}},
    "solved.yaml": {"evaluate": {"clusters": [10], "layouts": []}},
}
"""What is asked for less in the examples, unless SSRL_TEST_SCALE=full: the commands are the documents' own."""


def _blocks(path):
    """(language, text) of each fenced block."""
    return re.findall(r"^```([^\n`]*)\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def _lines(path):
    """The lines of its blocks that are for a shell, continuations joined, remarks left out."""
    text = "".join(text for language, text in _blocks(path) if language in ("", "sh"))
    joined = text.replace("\\\n", " ")
    return [line.split("  #")[0].strip() for line in joined.splitlines() if line.strip() and " -> " not in line]


def _ours(line):
    """The words after `viewloom` or `python -m ssrl_core`, or None where that is not what is called."""
    words = shlex.split(line)
    if words[:3] == ["python", "-m", "ssrl_core"]:
        return words[3:]
    return words[1:] if words[0] == "viewloom" and not words[1].startswith("-") else None


def _is_pattern(words):
    return any(re.fullmatch(r"[A-Z]{2,}", word) for word in words)


def _runs_here(words):
    return not _is_pattern(words) and not any(" ".join(words).startswith(begin) for begin in TOO_LONG)


ALL = [(path, line) for path in PAGES for line in _lines(path)]
RUN = [path for path in PAGES if any((words := _ours(line)) and _runs_here(words) for line in _lines(path))]


def test_every_line_for_a_shell_is_run_or_tried_elsewhere():
    assert len(ALL) > 25
    for path, line in ALL:
        if _ours(line) is None and not line.startswith(OF_OTHERS):
            found = [test for begin, test in ELSEWHERE.items() if line.startswith(begin)]
            assert found, f"{path.relative_to(ROOT)}: nobody tries {line!r}"
            assert (ROOT / found[0]).is_file(), found


def test_every_command_is_one_the_parser_takes():
    for path, line in ALL:
        if words := _ours(line):
            try:
                parser().parse_args(words)
            except Exception as error:
                raise AssertionError(f"{path.relative_to(ROOT)}: {line}: {error}") from error


def test_every_file_that_is_shown_is_one_the_reader_takes():
    kinds = set()
    for path in PAGES:
        for language, text in _blocks(path):
            if language.startswith("yaml "):
                READERS[language.split()[1]](parse_yaml(text, path.name))
                kinds.add(language.split()[1])
    assert kinds == set(READERS)


def test_every_python_snippet_is_run_by_a_test():
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        for before in re.findall(r"([^\n]*)\n```python", text):
            named = re.search(r"<!-- tested: (\S+)", before)
            assert named, f"{path.name}: a snippet that no test runs"
            assert path.name in (ROOT / named[1]).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder as a user has it: the examples of the documents (made cheap), files to import, stores of its own."""
    folder = tmp_path_factory.mktemp("documented")
    shutil.copytree(DOCS / "examples", folder / "docs" / "examples")
    (folder / "docs" / "results").mkdir()
    for name, fewer in CHEAP.items() if not FULL else ():
        file = folder / "docs" / "examples" / name
        file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | fewer), encoding="utf-8")
    rng, labels = np.random.default_rng(0), np.arange(40) % 4
    grey, colours = (rng.integers(0, 255, (40, *shape), np.uint8) for shape in ((28, 28), (32, 32, 3)))
    for name, images in (("mnist", grey), ("cifar10_small", colours)):
        np.savez(folder / f"{name}.npz", x_train=images, y_train=labels, x_test=images[:8], y_test=labels[:8])
    np.savez(folder / "cells.npz", x=colours, moa=labels)
    np.savez(
        folder / "hundred.npz", x=colours, label=labels, split=np.repeat(["train", "test"], 20), superclass=labels // 2
    )
    _profiles(rng).to_csv(folder / "profiles.csv.gz", index=False)
    return folder


def _profiles(rng):
    """Wells of two plates as a table of CellProfiler's."""
    table = pd.DataFrame(rng.normal(size=(48, 6)), columns=[f"Cells_{number}" for number in range(6)])
    table["Metadata_Plate"] = np.repeat(["a", "b"], 24)
    table["Metadata_Well"] = [f"B{number % 24 + 1:02d}" for number in range(48)]
    return table.assign(Metadata_Compound=np.tile(["DMSO", "x", "y", "z"], 12))


@pytest.mark.slow
@pytest.mark.parametrize("path", RUN, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_commands_of_a_page_work_as_they_stand(path, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    monkeypatch.setenv("SSRL_DATA", str(place / "data"))
    monkeypatch.setenv("SSRL_MODELS", str(place / "models"))
    monkeypatch.setenv("SSRL_DEMO", str(ROOT / "models" / "demo"))
    stores.prepare_caches()
    try:
        for line in _lines(path):
            words = _ours(line)
            if words and _runs_here(words):
                assert main(words) == 0, f"{line}\n{capsys.readouterr()}"
    finally:
        processes.ask_to_end()
