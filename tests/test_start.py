"""The start command: what it asks of an environment, and that it goes on only where that is there."""

from ssrl_core import start
from tests.kit import ROOT


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
