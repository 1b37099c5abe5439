"""The start command: what it asks of an environment, and that it goes on only where that is there."""

import importlib.util
import socket
import subprocess
import sys

import pytest

from ssrl_core import start, stores
from ssrl_core.compositions.lpips import NETWORKS
from ssrl_core.runs import jobs
from tests.kit import ROOT, make_run


def test_requirement_files_are_read_with_their_bounds(tmp_path):
    (tmp_path / "a.txt").write_text("numpy>=2.0  # why\n\nPillow\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("-r a.txt\npytest>=8.3\n", encoding="utf-8")
    assert start.required(tmp_path / "b.txt") == [("numpy", (2, 0)), ("Pillow", (0,)), ("pytest", (8, 3))]


def test_the_app_is_started_without_advertisements_and_says_where_it_is(monkeypatch, capsys):
    """Streamlit offers its own tools over every page where it sees a programmer's machine."""
    monkeypatch.setattr(start, "ensure", lambda *words: None)
    monkeypatch.setattr(start.subprocess, "Popen", lambda *a, **k: None)
    started = []

    def run(command, folder):
        started.append(command)
        return 0

    monkeypatch.setattr(start, "_until_it_ends", run)
    assert start.main(["--port", "8599", "--no-worker"]) == 0
    words = started[0]
    assert words[words.index("--logger.hideWelcomeMessage") + 1] == "true"
    assert words[words.index("--server.headless") + 1] == "false"
    assert "http://127.0.0.1:8599" in capsys.readouterr().out


def test_a_port_that_is_taken_is_said_with_another():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SystemExit, match=f"Port {port} is taken.*--port {port + 1}"):
            start.main(["--port", str(port), "--no-worker"])


def test_it_listens_for_others_only_where_people_sign_in(monkeypatch):
    monkeypatch.setattr(start, "ensure", lambda *words: None)
    with pytest.raises(SystemExit, match="people have to sign in"):
        start.main(["--host", "0.0.0.0", "--port", "8599", "--no-worker"])
    (stores.models_root() / "hosting.yaml").write_text("sign_in: magic")
    with pytest.raises(SystemExit, match="sign_in must be one of"):
        start.main(["--port", "8599", "--no-worker"])


def test_one_run_is_shown_by_its_link(monkeypatch, capsys):
    with pytest.raises(SystemExit, match="no such run"):
        start.show(["../../etc"])
    started = []
    monkeypatch.setattr(start, "_until_it_ends", lambda command, folder: started.append(command) or 0)
    monkeypatch.setenv("VIEWLOOM_ONLY", "")  # both are given back afterwards
    monkeypatch.setenv("VIEWLOOM_LINK", "")
    run = make_run().name
    assert start.show([run, "--port", "8599"]) == 0
    assert "/Show (" in capsys.readouterr().out
    assert start.show([run, "--port", "8599", "--host", "0.0.0.0"]) == 0
    assert "/Show?key=" in capsys.readouterr().out
    assert started[1][started[1].index("--server.address") + 1] == "0.0.0.0"


def test_weights_that_torch_keeps_already_are_not_fetched(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    asked = []
    monkeypatch.setattr(jobs, "start", lambda name, words: asked.append(words))
    start._fetch_weights()
    assert asked == [("fetch", "alexnet")]
    kept = tmp_path / "hub" / "checkpoints" / NETWORKS["alex"].files[-1]
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"weights")
    start._fetch_weights()
    assert len(asked) == 1


def test_an_older_python_is_told_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(start.sys, "version_info", (3, 10, 4))
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer.*python3\.11-venv"):
        start.ensure(tmp_path / "a.txt", ["app.py"])


def test_a_store_that_cannot_be_made_is_said_with_the_variable_that_names_another(monkeypatch, tmp_path):
    monkeypatch.setattr(start, "ensure", lambda *words: None)
    (tmp_path / "a-file").write_text("")
    monkeypatch.setenv("SSRL_MODELS", str(tmp_path / "a-file" / "models"))
    with pytest.raises(SystemExit, match=r"this store cannot be made \(.*Say where it may lie: SSRL_MODELS=FOLDER"):
        start.main(["--no-browser", "--no-worker", "--port", "0"])


def test_nothing_is_started_over_a_store_that_is_full_or_read_only(monkeypatch, capsys):
    monkeypatch.setattr("ssrl_core.stores.has_room", lambda folder: False)
    monkeypatch.setattr("ssrl_core.runs.queue.processes.start_coordinator", lambda: pytest.fail("nothing can train"))
    start._start_worker(fetch=True)
    assert "what is there can be looked at, nothing trains" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (OSError(30, "Read-only file system"), "folder that can be written and has room"),
        (subprocess.CalledProcessError(1, ["ensurepip"]), "apt install python3-venv"),
    ],
)
def test_an_environment_that_cannot_be_made_is_said_with_the_remedy(error, remedy, monkeypatch, tmp_path):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr(start, "ROOT", tmp_path)
    monkeypatch.setattr(start.venv, "create", fails)
    with pytest.raises(SystemExit, match=remedy):
        start._own_environment()


def test_an_environment_that_was_half_made_is_made_whole(monkeypatch, tmp_path):
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("")
    made = []
    monkeypatch.setattr(start, "ROOT", tmp_path)
    monkeypatch.setattr(start.venv, "create", lambda folder, with_pip: made.append(folder))
    assert start._own_environment() == python
    assert made == [tmp_path / ".venv"]
    (tmp_path / ".venv" / "lib" / "python3.11" / "site-packages" / "pip").mkdir(parents=True)
    start._own_environment()
    assert len(made) == 1


def test_an_installation_that_fails_says_what_to_do(monkeypatch, tmp_path):
    """Without a network, behind a proxy, on a full disk."""
    (tmp_path / "a.txt").write_text("no-such-package-here\n", encoding="utf-8")
    monkeypatch.setattr(start.subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 1))
    with pytest.raises(SystemExit, match=r"(?s)No network: .*PIP_NO_INDEX.*HTTPS_PROXY.*No space left.*By hand: "):
        start.ensure(tmp_path / "a.txt", ["app.py"])


def test_help_installs_nothing_and_a_bare_python_is_told_to_activate():
    bare = [sys.executable, "-S"]  # without its packages
    said = subprocess.run([*bare, str(ROOT / "tests"), "--help"], capture_output=True, text=True, check=True)
    assert "hands its arguments to pytest" in said.stdout
    words = [*bare, "-m", "ssrl_core", "runs", "list"]
    said = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert "is not in this Python" in said.stderr


def test_what_is_absent_or_too_old_is_missing(tmp_path):
    (tmp_path / "a.txt").write_text("numpy>=1\nnumpy>=999\nno-such-package-here\n", encoding="utf-8")
    assert start.missing(tmp_path / "a.txt") == ["numpy", "no-such-package-here"]


def test_this_environment_has_what_the_project_asks_for():
    assert start.missing(ROOT / "requirements.txt") == []


def test_an_environment_that_has_everything_is_used_as_it_is(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("numpy>=1\n", encoding="utf-8")
    monkeypatch.setattr(
        start.subprocess, "run", lambda *a, **k: (_ for _ in ()).throw(AssertionError("nothing to run"))
    )
    start.ensure(tmp_path / "a.txt", ["x"])


def test_every_module_of_the_pages_is_warmed():
    names = start._page_modules()
    assert "pages.ui.kit.frame" in names
    assert not [name for name in names if importlib.util.find_spec(name) is None]
