"""The command line: `python -m ssrl_core COMMAND …`. `COMMANDS` is the table: a row a command."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from ssrl_core import __version__, stores
from ssrl_core.cli import output
from ssrl_core.errors import SpecError, SSRLError

COMMANDS = {"data": "data", "descriptors": "data", "compose": "compose", "lpips": "lpips", "forecast": "forecast"}
COMMANDS |= {"search": "forecast", "train": "train", "sweep": "train", "worker": "worker", "runs": "runs"}
COMMANDS |= {name: name for name in ("cluster", "layout", "classes", "compare", "export", "paper", "demo", "bench")}
"""Command -> its module, whose `register` adds it, or `register_COMMAND` where the module is another command's."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0, 1 failed, 2 bad input, 3 stopped while waited for.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in words
    try:
        stores.prepare_caches()
        args = parser().parse_args(words)
        return output.report(args)
    except SSRLError as error:
        return output.fail(" ".join(words[:1]), error, as_json=as_json)
    except KeyboardInterrupt:
        return 3
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader went away: nothing more to say
        return 1


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = _Parser(prog="python -m ssrl_core", description="Choose transformations, train, look at what is encoded.")
    top.add_argument("--version", action="version", version=f"viewloom {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    for name, home in COMMANDS.items():
        module = importlib.import_module(f"ssrl_core.cli.{home}")
        getattr(module, "register" if home == name else f"register_{name}")(commands)
    return top


class _Parser(argparse.ArgumentParser):
    """argparse whose complaints are SpecErrors, so that `--json` answers them with a document too."""

    def error(self, message: str) -> NoReturn:
        raise SpecError(f"{self.prog}: {message}. See `{self.prog} --help`.")
