"""From a machine with only Python to a running app: `python app.py` and `python tests` come through here.

Standard library alone until the packages of the requirement file are there.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import venv
from collections.abc import Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path

_TREE = Path(__file__).resolve().parent.parent
ROOT = _TREE if (_TREE / "app.py").is_file() else Path(__file__).resolve().parent / "app"  # the second: in a wheel
# Streamlit's own start, warm: pandas and Plotly before the thread, as Plotly trips over one that is half imported
_SERVE = (
    "import sys, pandas, plotly.graph_objects; from streamlit.web import cli; from ssrl_core.start import warm; "
    "warm(); sys.argv[0] = 'streamlit'; cli.main()"
)
_HEAVY = (  # what pages import where they need it; those that open first come first
    *("PIL.Image", "pyarrow.parquet", "psutil", "scipy.stats", "scipy.spatial"),
    *("ssrl_core.compositions.kernels", "torch", "ssrl_core.compositions.views", "ssrl_core.forecast.kept"),
    *("sklearn.metrics", "statsmodels.stats.proportion", "ssrl_core.compositions.perceptual"),
)
_NOT_INSTALLED = (
    "Installation failed; the last lines above say why. Correct that and run this again: it goes on where it was.\n"
    "No network: `pip download -r requirements.txt -d wheels` on a machine that has one, bring the folder here, and "
    "set PIP_NO_INDEX=1 PIP_FIND_LINKS=wheels. Behind a proxy: set HTTPS_PROXY. No space left: about 8 GB are needed "
    "with CUDA, 2 GB without (README, CPU only); PIP_CACHE_DIR and TMPDIR may lie on another disk.\n"
)
_LINE = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:>=\s*([0-9][0-9.]*))?")


def required(file: Path) -> list[tuple[str, tuple[int, ...]]]:
    """Packages of a requirement file with their lower bounds, `-r` lines followed."""
    found: list[tuple[str, tuple[int, ...]]] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        text = line.split("#", 1)[0].strip()
        if text.startswith("-r"):
            found += required(file.parent / text[2:].strip())
        elif match := _LINE.match(text):
            found.append((match[1], _numbers(match[2] or "0")))
    return found


def missing(file: Path) -> list[str]:
    """Packages of a requirement file that this Python does not have, or has too old."""
    names = []
    for name, bound in required(file):
        try:
            installed = _numbers(metadata.version(name))
        except metadata.PackageNotFoundError:
            installed = (-1,)
        if installed < bound:
            names.append(name)
    return names


def require_python() -> None:
    """End with what to do where this Python is too old; this file and `ssrl_core` alone can be imported there."""
    if sys.version_info < (3, 11):  # noqa: UP036  this file is what an older Python meets first
        sys.exit(
            f"Viewloom needs Python 3.11 or newer; this is {sys.version.split()[0]} ({sys.executable}). Install "
            "a newer one (python.org; on Debian: apt install python3.11 python3.11-venv), then start again with it."
        )


def ensure(file: Path, script: Sequence[str]) -> None:
    """Go on in a Python that has the packages of a requirement file.

    In a virtual environment what is missing is installed into it; else `.venv` in the project is made and used. Does
    not return where the work goes on in another Python.

    Args:
        script: what to run there, as after `python`.
    """
    require_python()
    if not missing(file):
        return
    inside = sys.prefix != sys.base_prefix
    python = Path(sys.executable) if inside else _own_environment()
    if inside or _asked(python, file):
        print(
            f"Installing what {file.name} names into {python.parent.parent} (several GB with CUDA; once).", flush=True
        )
        command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "-r", str(file)]
        if subprocess.run(command, check=False).returncode:
            sys.exit(f"{_NOT_INSTALLED} By hand: {' '.join(command)}")
    if not inside:
        print(f"For the command line, activate the environment first: {_activation()}", flush=True)
        sys.exit(_until_it_ends([str(python), *script], Path.cwd()))


def main(argv: Sequence[str] | None = None) -> int:
    """Start the app and its worker.

    Returns:
        The exit code of the app.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="python app.py", description="Start Viewloom: the app and its worker.")
    parser.add_argument("--port", type=int, default=8501, help="port of the app (default 8501)")
    parser.add_argument(
        "--host",
        default=os.environ.get("STREAMLIT_SERVER_ADDRESS", "127.0.0.1"),
        metavar="ADDRESS",
        help="where it listens (default: this machine only); others have to sign in, see docs/security.md",
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser window")
    parser.add_argument(
        "--no-worker", action="store_true", help="do not start the worker; Train starts one when needed"
    )
    parser.add_argument(
        "--no-fetch", action="store_true", help="do not fetch the weights that LPIPS needs (233 MB, once)"
    )
    args = parser.parse_args(words)
    if (ROOT / "requirements.txt").is_file():  # an installed package came with what it requires
        ensure(ROOT / "requirements.txt", [str(ROOT / "app.py"), *words])
    if why := _port_taken(args.port, args.host) or _not_for_others(args.host):
        sys.exit(why)
    if why := _no_store():
        sys.exit(why)
    if not args.no_worker:
        _start_worker(fetch=not args.no_fetch)
    print(f"Viewloom: http://{args.host}:{args.port} (Ctrl+C ends the app; trainings go on).", flush=True)
    return _serve(args.host, args.port, browser=not args.no_browser)


def show(argv: Sequence[str]) -> int:
    """`viewloom show RUN`: serve the one page of one run, to look at, without a worker.

    Returns:
        The exit code of the app.
    """
    parser = argparse.ArgumentParser(prog="viewloom show", description="Serve the page Show of one run, read-only.")
    parser.add_argument("run", help="its id")
    parser.add_argument("--port", type=int, default=8501, help="port (default 8501)")
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="where it listens; others need the link that is printed"
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser window")
    args = parser.parse_args(list(argv))
    from ssrl_core import access, stores

    if not (stores.run_folder(args.run) / "embedding.npy").is_file() or not stores.SLUG.match(args.run):
        sys.exit(f"Run {args.run}: there is no such run, or its embedding was not kept. `runs list` shows the runs.")
    if why := _port_taken(args.port, args.host):
        sys.exit(why)
    key = "" if access.is_loopback(args.host) else secrets.token_urlsafe(24)
    os.environ["VIEWLOOM_ONLY"], os.environ["VIEWLOOM_LINK"] = args.run, key
    link = f"http://{args.host}:{args.port}/Show" + (f"?key={key}" if key else "")
    print(f"{link} (Ctrl+C ends it; whoever has the link sees this run, and nothing else).", flush=True)
    return _serve(args.host, args.port, browser=not args.no_browser and not key)


def _serve(host: str, port: int, *, browser: bool) -> int:
    """Run the app's server until it ends; its exit code."""
    server = str(ROOT / "pages" / "ui" / "kit" / "server.py")
    command = [sys.executable, "-c", _SERVE, "run", server, "--server.port", str(port), "--server.address", host]
    command += ["--server.headless", "false" if browser else "true"]
    command += ["--logger.hideWelcomeMessage", "true"]  # its advertisements, in the terminal and over every page
    return _until_it_ends(command, ROOT)


def _no_store() -> str:
    """Why there is no store to look at, with what to do; "" where there is one."""
    from ssrl_core import stores
    from ssrl_core.errors import SSRLError

    try:
        stores.data_root(), stores.models_root()
    except SSRLError as error:
        return str(error)
    return ""


def _start_worker(*, fetch: bool) -> None:
    """Start the worker and fetch weights, unless nothing can be written: then there is only something to look at."""
    from ssrl_core import stores
    from ssrl_core.runs.queue import processes

    if not stores.has_room(stores.models_root()):
        print(
            f"{stores.models_root()} is full or read-only: what is there can be looked at, nothing trains.", flush=True
        )
        return
    processes.start_coordinator()
    if fetch:
        _fetch_weights()


def _not_for_others(host: str) -> str:
    """Why the app must not be reached by others as it is set up; "" where it may."""
    from ssrl_core import access
    from ssrl_core.errors import SSRLError

    try:
        return access.why_not_for_others(host)
    except SSRLError as error:
        return error.message


def _without_secrets() -> dict[str, str]:
    from ssrl_core import access

    return access.inherited(os.environ)


_COMPILE = """import os
if hasattr(os, "nice"):
    os.nice(10)
from ssrl_core.compositions.views import precompile
precompile()
"""


def warm() -> None:
    """For the app's server: import in the background what pages would else wait for when they are opened first."""
    threading.Thread(target=_warm, daemon=True).start()


def _warm() -> None:
    from ssrl_core import stores

    with suppress(Exception):  # whatever is wrong, the page that needs it says so
        stores.prepare_caches()
        no, words = subprocess.DEVNULL, [sys.executable, "-c", _COMPILE]  # a process: compiling holds up threads
        compiling = subprocess.Popen(words, cwd=ROOT, env=_without_secrets(), stdin=no, stdout=no, stderr=no)
        for name in (*_page_modules(), *_HEAVY):
            importlib.import_module(name)
        compiling.wait()
        importlib.import_module("ssrl_core.compositions.views").precompile(
            4
        )  # what was compiled is on the disk: now it is loaded


def _page_modules() -> list[str]:
    """What the pages are made of; a page itself draws when it is imported."""
    sys.path.insert(0, str(ROOT))
    files = (file.relative_to(ROOT).with_suffix("") for file in sorted((ROOT / "pages" / "ui").rglob("*.py")))
    return [".".join(file.parts).removesuffix(".__init__") for file in files]


def _port_taken(port: int, host: str = "127.0.0.1") -> str:
    """Why the app cannot listen there, with what to do; "" where it can."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        try:
            if os.name != "nt":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Streamlit's server does
            probe.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return (
                    f"Port {port} of {host} cannot be used ({error.strerror}). Choose another, above 1024: --port 8502"
                )
            return (
                f"Port {port} is taken, perhaps by another Viewloom: open http://127.0.0.1:{port}, or end that, or "
                f"choose another port: --port {port + 1}"
            )
    return ""


def _fetch_weights() -> None:
    """Fetch what LPIPS needs in the background, once; the Compose page shows how far it is, and why it failed."""
    from ssrl_core.compositions.lpips import NETWORKS
    from ssrl_core.errors import SSRLError
    from ssrl_core.runs import jobs

    try:
        if not NETWORKS["alex"].file():
            jobs.start("fetch-alexnet", ("fetch", "alexnet"))
    except (OSError, SSRLError) as error:  # a store that cannot be written: the pages say so, too
        print(f"The weights that LPIPS needs are not fetched: {error}", flush=True)


def command() -> int:
    """`viewloom`: alone or with options of the app it starts the app, with a command it is the command line.

    Returns:
        The exit code.
    """
    words = sys.argv[1:]
    if not words or words[0].partition("=")[0] in ("--port", "--host", "--no-browser", "--no-worker", "--no-fetch"):
        return main(words)
    if words[0] == "show":
        return show(words[1:])
    from ssrl_core.cli import main as run_command

    return run_command(words)


def _until_it_ends(words: Sequence[str], folder: Path) -> int:
    """Run a program in a folder; its exit code. Ctrl+C and SIGTERM that reach us end it too, in order."""
    program = subprocess.Popen(words, cwd=folder)
    before = signal.signal(signal.SIGTERM, lambda *_: program.terminate())
    try:
        return program.wait()
    except KeyboardInterrupt:
        program.terminate()
        program.wait()
        return 0
    finally:
        signal.signal(signal.SIGTERM, before)


def why_missing(error: ModuleNotFoundError) -> str:
    """What to do where a package that the command line needs is not in this Python."""
    if (ROOT / ".venv").is_dir():
        return (
            f"{error.name} is not in this Python. Activate the environment that `python app.py` made: {_activation()}"
        )
    return f"{error.name} is not in this Python. `python app.py` makes an environment that has it; or: pip install ."


def _activation() -> str:
    """The line that makes `python` the one with the packages."""
    return r".venv\Scripts\activate" if os.name == "nt" else "source .venv/bin/activate"


def _own_environment() -> Path:
    folder = ROOT / ".venv"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    packages = [folder / "Lib" / "site-packages", *folder.glob("lib/python3*/site-packages")]
    if not python.is_file() or not any((place / "pip").is_dir() for place in packages):  # the second: half made
        print(f"Making a virtual environment in {folder}.", flush=True)
        try:
            venv.create(folder, with_pip=True)
        except subprocess.CalledProcessError as error:
            sys.exit(f"The virtual environment could not be made ({error}). On Debian: apt install python3-venv.")
        except OSError as error:
            sys.exit(
                f"The virtual environment could not be made in {folder} ({error.strerror}). Put the project into a "
                "folder that can be written and has room, or run `python app.py` in an environment made elsewhere."
            )
    return python


def _asked(python: Path, file: Path) -> bool:
    """Whether another Python says that something is missing."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from pathlib import Path; from ssrl_core import start; "
    code += f"sys.exit(bool(start.missing(Path({str(file)!r}))))"
    return subprocess.run([str(python), "-c", code], check=False).returncode != 0


def _numbers(version: str) -> tuple[int, ...]:
    """`2.14.1+cu130` -> (2, 14, 1)."""
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+", 1)[0])[:4])
