"""The bundle for a bug report: what helps is in it, what belongs to the user is not."""

import json
import zipfile

import pandas as pd

from ssrl_core import stores
from ssrl_core.cli import main
from ssrl_core.runs.queue import registry
from tests.kit import make_imageset, make_run

SECRET = "Patient Müller 1970"


def test_a_bundle_has_versions_states_and_damages_but_no_names_and_no_paths(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("VIEWLOOM_PASSWORD", "correct horse")
    make_imageset(n=60, name="patient-mueller")
    run = make_run(spec={"dataset": "patient-mueller", "name": SECRET, "notes": SECRET, "tags": {"who": SECRET}})
    (run / "embedding.npy").write_bytes(b"damaged")
    registry.reconcile()
    said = f"2026-01-01 INFO {run.name}: child ended (1): {SECRET} in {stores.models_root()} and /home/mueller/x.png\n"
    (stores.models_root() / "coordinator.log").write_text(said, encoding="utf-8")
    out = tmp_path / "bundle.zip"
    assert main(["diagnose", "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["files"] == 6
    with zipfile.ZipFile(out) as bundle:
        parts = {name: bundle.read(name).decode() for name in bundle.namelist()}
    whole = "\n".join(parts.values())
    for hidden in ("mueller", "Müller", "M\\u00fc", "correct horse", str(tmp_path), str(stores.models_root())):
        assert hidden not in whole
    assert json.loads(parts["machine.json"])["viewloom"]
    (told,) = json.loads(parts["runs.json"])
    assert (told["id"], told["method"], told["state"]) == ("run-1", "simclr", "done")
    assert "embedding.npy" in parts["damages.json"]
    assert "run-1: child ended (1)" in parts["worker.log"]
    assert pd.notna(json.loads(parts["store.json"])["free_bytes"]["models"])
