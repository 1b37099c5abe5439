"""The container without a container engine: linted, and its steps run in a fresh root that is thrown away.

The root is an overlay over this machine's own: what the steps write (users, environments, stores) lies in memory and is
gone afterwards. Cheaply the new environment borrows the packages that run the tests; with SSRL_TEST_SCALE=full it
installs its own, and the app is started and asked for its health.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from ssrl_core.cli import parser
from tests.kit import FULL, ROOT, missing

_FRESH = """
mount -t tmpfs tmpfs {place} && mkdir {place}/up {place}/work {place}/root
mount -t overlay overlay -o lowerdir=/,upperdir={place}/up,workdir={place}/work {place}/root
mount --rbind /dev {place}/root/dev && mount -t proc proc {place}/root/proc
mkdir {place}/root/context
cp -r {context}/. {place}/root/context
exec chroot {place}/root bash -euo pipefail -c {steps}
"""
_AS_USER = "setpriv --reuid {uid} --regid {gid} --clear-groups env HOME=/home/viewloom sh -euc {command}"


def instructions() -> list[tuple[str, str]]:
    """(INSTRUCTION, the rest) of the Dockerfile, continuations joined, remarks left out."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in joined.splitlines()]


def last(instruction: str) -> str:
    return [rest for name, rest in instructions() if name == instruction][-1]


def compose(*files: str) -> list[dict]:
    return [yaml.safe_load((ROOT / name).read_text(encoding="utf-8")) for name in files]


KNOWN = {"FROM", "ARG", "ENV", "SHELL", "RUN", "COPY", "WORKDIR", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "CMD"}


def test_it_keeps_the_rules_of_a_linter():
    """What hadolint asks of these instructions (its licence is no permissive one, so that it is not required here)."""
    every = instructions()
    assert {name for name, _ in every} <= {*KNOWN, "ENTRYPOINT", "LABEL"}
    for name, rest in every:
        if name == "FROM":
            assert ":" in rest.split()[0]
            assert not rest.split()[0].endswith(":latest")
        if name == "WORKDIR":
            assert rest.startswith("/")
        if name in ("CMD", "ENTRYPOINT", "SHELL"):
            assert all(isinstance(word, str) for word in json.loads(rest))
        if name == "COPY":
            sources = [word for word in rest.split()[:-1] if not word.startswith("--")]
            assert "--from=" in rest or all((ROOT / source).exists() for source in sources)
        if name == "RUN":
            assert "sudo" not in rest
            assert not re.search(r"\bcd ", rest)
            if "apt-get install" in rest:
                assert "--no-install-recommends" in rest
                assert "rm -rf /var/lib/apt/lists" in rest
    assert sum(name == "CMD" for name, _ in every) == 1


def test_it_runs_as_an_ordinary_user_with_stores_in_volumes_and_says_how_it_is():
    assert last("USER").split(":")[0] not in ("0", "root")
    assert set(json.loads(last("VOLUME"))) == {"/stores/data", "/stores/models"}
    assert "_stcore/health" in last("HEALTHCHECK")
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for secret in (".git", ".venv", "data/*", "models/*"):
        assert secret in kept


def test_app_and_worker_are_apart_and_their_commands_are_ours():
    base, gpu = compose("compose.yaml", "compose.gpu.yaml")
    assert set(base["services"]) == set(gpu["services"]) == {"app", "worker"}
    for service in base["services"].values():
        assert service["volumes"] == ["data:/stores/data", "models:/stores/models"]
        assert service["command"][0] == "viewloom"
        assert service["restart"] == "unless-stopped"
        assert service["cap_drop"] == ["ALL"]
    parser().parse_args(base["services"]["worker"]["command"][1:])
    assert base["services"]["app"]["ports"] == ["127.0.0.1:${VIEWLOOM_PORT:-8501}:8501"]
    assert base["services"]["app"]["build"]["args"] == {"DEVICE": "cpu"}
    assert gpu["services"]["worker"]["build"]["args"] == {"DEVICE": "cuda"}
    (card,) = gpu["services"]["worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert card == {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
    assert base["services"]["worker"]["healthcheck"]["test"][:2] == ["CMD", "python"]


def _ignored(name: str) -> bool:
    """What .dockerignore leaves out, of the top and of the folders it speaks of."""
    out = False
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.lstrip("!")
        if line and not line.startswith("#") and fnmatch(name, pattern):
            out = not line.startswith("!")
    return out


def _context(folder):
    """What a build is given."""
    for path in ROOT.iterdir():
        if _ignored(path.name) or path.name.endswith("cache"):
            continue
        if path.name in ("data", "models", "docs"):
            for below in path.iterdir():
                if not _ignored(f"{path.name}/{below.name}"):
                    shutil.copytree(below, folder / path.name / below.name)
        elif path.is_dir():
            shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, folder / path.name)


def _steps(arguments: dict[str, str]) -> str:
    """Every instruction as a line of a shell that is root in the new root, then what the image is for, as its user."""
    parents = " ".join(str(folder) for folder in Path(sys.base_prefix, "bin").parents)
    lines, user = [f"chmod a+rx {parents}"], None  # this machine's Python may lie where an ordinary user cannot look
    for name, rest in instructions():
        if name == "FROM":
            lines.append(f"export PATH={sys.base_prefix}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin; cd /")
        elif name == "ARG":
            key, _, default = rest.partition("=")
            lines.append(f"export {key}={shlex.quote(arguments.get(key, default))}")
        elif name == "ENV":
            lines.append(f"export {rest}")
        elif name == "WORKDIR":
            lines.append(f"mkdir -p {rest}; cd {rest}")
        elif name == "COPY" and not rest.startswith("--from"):
            *sources, target = rest.split()
            lines.append(f"cp -r {' '.join(f'/context/{source}' for source in sources)} {target}")
        elif name == "RUN":
            lines.append(f"{{ {rest}; }} || exit 1")
            if "venv" in rest and not FULL:
                lines.append(_borrowed())
        elif name == "USER":
            user = rest.split(":")
    tried = ["viewloom --version", "viewloom data list >/dev/null", "test -d $SSRL_MODELS -a -w $SSRL_DATA", "id -u"]
    if FULL:
        check = last("HEALTHCHECK").split("CMD", 1)[1]
        command = shlex.join(json.loads(check))
        start = f"VIEWLOOM_PUBLISHED_ON=127.0.0.1 {shlex.join(json.loads(last('CMD')))}"
        tried.append(f"{start} & app=$!; sleep 40; {command}; kill $app; echo healthy")
    uid, gid = user
    lines += [_AS_USER.format(uid=uid, gid=gid, command=shlex.quote(command)) for command in tried]
    return "\n".join(lines)


def _borrowed() -> str:
    """The line that lets the new environment see the packages of the one that runs the tests."""
    where = "$(/opt/viewloom/bin/python -c 'import sysconfig; print(sysconfig.get_path(\"purelib\"))')"
    return f"echo {sysconfig.get_path('purelib')} > {where}/borrowed.pth"


@pytest.mark.slow
@pytest.mark.timeout(3000 if FULL else 900)
@pytest.mark.skipif(sys.platform != "linux", reason="a root of its own is Linux's")
def test_the_steps_run_in_a_fresh_root_and_leave_an_image_that_works(tmp_path):
    if os.geteuid() != 0 or not shutil.which("unshare"):
        missing("the right to mount", "run this test as root (a container will do)")
    (tmp_path / "context").mkdir()
    (tmp_path / "place").mkdir()
    _context(tmp_path / "context")
    arguments = {"DEVICE": "cuda"}  # the way on which all comes from the usual index
    script = _FRESH.format(place=tmp_path / "place", context=tmp_path / "context", steps=shlex.quote(_steps(arguments)))
    left_out = ("SSRL_DATA", "SSRL_MODELS", "SSRL_DEMO", "PYTHONPATH", "VIRTUAL_ENV", "NUMBA_CACHE_DIR")
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-euo", "pipefail", "-c", script],
        env={key: value for key, value in os.environ.items() if key not in left_out},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "viewloom 0." in done.stdout
    assert last("USER").split(":")[0] in done.stdout.split()
    assert not os.path.exists("/opt/viewloom")
    if FULL:
        assert "healthy" in done.stdout
