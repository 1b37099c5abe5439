"""Run folders of a sweep are laid when they are needed: ten thousand folders, each synced to the disk, take a minute.

Until then a run of a sweep lives in the registry, and in the sweep's own file (`models/sweeps/<id>.json`), from which
it comes back when the registry is lost: that file is written and synced before the runs are queued. A run that is asked
for by itself has its folder at once.
"""

from __future__ import annotations

from typing import Any

from ssrl_core import stores
from ssrl_core.runs.queue import priorities
from ssrl_core.runs.queue.identity import yaml_of_text


def never_needed(row: dict[str, Any]) -> bool:
    """Whether a run without a folder never needed one (else somebody deleted it).

    Args:
        row: columns `sweep_id`, `attempt`, `state` of the registry.
    """
    return bool(row["sweep_id"]) and not row["attempt"] and row["state"] in ("queued", "stopped")


def is_unlaid(row: dict[str, Any]) -> bool:
    """Whether a registry row has no folder because it never needed one."""
    return never_needed(row) and not (stores.runs_root() / row["id"]).is_dir()


def lay(row: dict[str, Any]) -> str:
    """Write the folder of an unlaid run: its `spec.yaml`, and STOP where it was stopped; the text that it now has.

    Args:
        row: all columns of the registry.
    """
    from ssrl_core.runs.queue import registry

    text = yaml_of_text(str(row["spec"]))
    folder = stores.runs_root() / row["id"]
    stores.replace(folder / "spec.yaml", text)
    priorities.keep(row["id"], int(row["priority"]))
    if row["wanted"] == "stop":
        stores.replace(folder / "STOP", "")
    registry.change(row["id"], spec=text)
    return text


def lay_if_wanted(run_id: str) -> bool:
    """Lay the folder of a run that somebody wants to look into; False if the registry knows no such unlaid run."""
    from ssrl_core.runs.queue import registry

    if not registry.path().is_file():
        return False
    row = registry.get(run_id)
    if row is None or not is_unlaid(row):
        return False
    lay(row)
    return True
