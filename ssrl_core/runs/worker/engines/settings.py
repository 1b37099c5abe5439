"""Where this store's runs are trained: `models/engine.yaml`, and the engine that its settings mean.

version: 1
engine: slurm            # local | dask | slurm | tcp://HOST:8786 | tls://HOST:8786
slots: 4                 # runs at the same time (local, dask); jobs at most (slurm)
warm: true               # a training process takes several runs, one after another
per_gpu: 1               # runs on one GPU at the same time
slurm: {partition: gpu, account: lab, walltime: "12:00:00", nodes: 1, gpus: 1, cores: 4, memory: 16GB, prologue: [ml x]}
tls: {ca: ca.pem, cert: cert.pem, key: key.pem}
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ssrl_core import access, stores
from ssrl_core.errors import SpecError
from ssrl_core.specs.parameters import Parameter, refuse_unknown

_ADDRESS = re.compile(r"^(tcp|tls)://[^\s/]+:\d{1,5}$")
_WALLTIME = re.compile(r"^(\d+-)?\d{1,3}(:\d{2}){0,2}$")
_MEMORY = re.compile(r"^\d+(\.\d+)? ?[KMGT]i?B$", re.IGNORECASE)
_WHOLE = {
    "slots": Parameter("slots", "integer", None, "Runs at the same time.", 1, 10_000),
    "per_gpu": Parameter("per_gpu", "integer", 1, "Runs on one GPU at the same time.", 1, 64),
    "nodes": Parameter("nodes", "integer", 1, "Nodes of a job.", 1, 1024),
    "gpus": Parameter("gpus", "integer", 0, "GPUs of a node of a job.", 0, 64),
    "cores": Parameter("cores", "integer", 2, "Cores of a node of a job.", 1, 1024),
}


@dataclass(frozen=True)
class Slurm:
    """What a job of SLURM asks for. It takes one run a GPU, times `per_gpu`; without GPUs one run.

    Over several nodes it takes one run, whose `devices` lie on all of them; gpus, cores and memory are of each node.
    """

    partition: str | None = None
    account: str | None = None
    walltime: str = "01:00:00"
    nodes: int = 1
    gpus: int = 0
    cores: int = 2
    memory: str = "4GB"
    prologue: tuple[str, ...] = ()


@dataclass(frozen=True)
class EngineSettings:
    """Where runs are trained; see the head of this file.

    Attributes:
        slots: None is one run for each GPU, else one run.
    """

    engine: str = "local"
    slots: int | None = None
    warm: bool = True
    per_gpu: int = 1
    slurm: Slurm = field(default_factory=Slurm)
    tls: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_mapping(cls, data: Any, where: str = "Engine") -> EngineSettings:
        """Settings from plain data.

        Raises:
            SpecError: naming the field, the rule and the remedy.
        """
        if not isinstance(data, Mapping):
            raise SpecError.at(where, "settings", "a mapping", data, "Write engine: local.")
        given = dict(data)
        stores.check_version(given, where)
        refuse_unknown(given, {"version", *(f.name for f in dataclasses.fields(cls))}, where, "a key of the engine")
        settings = cls(
            _engine(given.get("engine", "local"), where),
            None if given.get("slots") is None else int(_WHOLE["slots"].check(given["slots"], where)),
            _truth(given.get("warm", True), where),
            int(_WHOLE["per_gpu"].check(given.get("per_gpu", 1), where)),
            _slurm(given.get("slurm") or {}, f"{where}, slurm"),
            _tls(given.get("tls") or {}, f"{where}, tls"),
        )
        if settings.engine.startswith("tls://") and not settings.tls:
            raise SpecError.at(
                where,
                "tls",
                "{ca, cert, key} for a tls:// scheduler",
                None,
                "Name the three files, as the scheduler was started with.",
            )
        return settings

    def to_mapping(self) -> dict[str, Any]:
        """Plain data."""
        slurm = {**dataclasses.asdict(self.slurm), "prologue": list(self.slurm.prologue)}
        plain = {"version": 1, "engine": self.engine, "slots": self.slots, "warm": self.warm, "per_gpu": self.per_gpu}
        return {**plain, "slurm": slurm, "tls": dict(self.tls)}


def settings_path() -> Path:
    """`models/engine.yaml`."""
    return stores.models_root() / "engine.yaml"


def load_settings(changes: Mapping[str, Any] | None = None) -> EngineSettings:
    """The store's settings, with some of them changed.

    Args:
        changes: keys of the file; the keys of `slurm` and `tls` are added to those that are there.

    Raises:
        SpecError: a setting that cannot be.
    """
    from ssrl_core.specs.run import read_mapping

    path = settings_path()
    given: dict[str, Any] = dict(read_mapping(path, "settings")[0]) if path.is_file() else {}
    for key, value in (changes or {}).items():
        given[key] = {**(given.get(key) or {}), **value} if isinstance(value, Mapping) else value
    return EngineSettings.from_mapping(given, str(path) if path.is_file() and not changes else "worker")


def save_settings(settings: EngineSettings) -> None:
    """Keep settings for every worker of this store, those that the app starts too."""
    from ssrl_core.specs.yaml_files import dump_yaml

    access.require_editor("Choosing where runs are trained")
    kept = load_settings()
    if settings.slurm.prologue != kept.slurm.prologue:
        access.require_command("What a job's shell runs before it starts")
    if (settings.engine != kept.engine and "://" in settings.engine) or settings.tls != kept.tls:
        access.require_command("The address of a scheduler")
    stores.replace(settings_path(), dump_yaml(settings.to_mapping()))


def _engine(value: Any, where: str) -> str:
    if isinstance(value, str) and (value in ("local", "dask", "slurm") or _ADDRESS.match(value)):
        return value
    raise SpecError.at(
        where,
        "engine",
        "local, dask, slurm, or the address of a Dask scheduler (tcp://HOST:8786, tls://HOST:8786)",
        value,
        "Leave it out for this machine.",
    )


def _truth(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise SpecError.at(where, "warm", "true or false", value, "Leave it out for true.")
    return value


def _slurm(given: Mapping[str, Any], where: str) -> Slurm:
    refuse_unknown(given, {f.name for f in dataclasses.fields(Slurm)}, where, "a key of slurm")
    plain = {name: value for name, value in given.items() if value is not None}
    for name in ("nodes", "gpus", "cores"):
        if name in plain:
            plain[name] = int(_WHOLE[name].check(plain[name], where))
    for name, pattern, example in (("walltime", _WALLTIME, '"12:00:00"'), ("memory", _MEMORY, "16GB")):
        if name in plain and not (isinstance(plain[name], str) and pattern.match(plain[name])):
            raise SpecError.at(where, name, f"such as {example}", plain[name], "Put it in quotes.")
    for name in ("partition", "account"):
        if name in plain and not re.fullmatch(r"[\w.,@+-]{1,100}", str(plain[name])):
            raise SpecError.at(where, name, "a name of SLURM", plain[name], "Check `sinfo`.")
    lines = plain.get("prologue", ())
    if isinstance(lines, str) or not all(isinstance(line, str) for line in lines):
        raise SpecError.at(where, "prologue", "a list of shell lines", lines, "Write [module load cuda].")
    return Slurm(**{**plain, "prologue": tuple(lines)})


def _tls(given: Mapping[str, Any], where: str) -> dict[str, str]:
    refuse_unknown(given, {"ca", "cert", "key"}, where, "a key of tls")
    for name in ("ca", "cert", "key") if given else ():
        file = Path(str(given.get(name)))
        if not given.get(name) or not file.is_file():
            raise SpecError.at(where, name, "a PEM file", given.get(name), "Check the file's name.")
    return {name: str(Path(str(file)).absolute()) for name, file in given.items()}
