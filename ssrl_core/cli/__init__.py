"""The command line: `python -m ssrl_core COMMAND …`. `COMMANDS` is the table: a row a command."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from ssrl_core import __version__, stores
from ssrl_core.cli import output
from ssrl_core.errors import SpecError, SSRLError

COMMANDS = {"data": "data", "descriptors": "data", "compose": "compose", "lpips": "compose", "forecast": "forecast"}
COMMANDS |= {"search": "forecast", "train": "train", "sweep": "train", "worker": "train", "runs": "runs"}
COMMANDS |= {"fetch": "machine", "cluster": "cluster", "layout": "cluster", "classes": "classes", "compare": "cluster"}
COMMANDS |= {"screen": "screen", "export": "runs", "paper": "paper", "demo": "machine", "bench": "machine"}
COMMANDS |= {"diagnose": "machine"}
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
        known = words[:1] if words[:1] and words[0] in COMMANDS else None
        args = _parser(known or COMMANDS, brief=known is None).parse_args(words)
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
    return _parser(COMMANDS)


def _parser(names: Iterable[str], *, brief: bool = False) -> argparse.ArgumentParser:
    """The parser of some commands; `brief` knows of each only its name and its sentence, for `--help` at once."""
    top = _Parser(prog="python -m ssrl_core", description="Choose transformations, train, look at what is encoded.")
    top.add_argument("--version", action="version", version=f"viewloom {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    for name in names:
        module = importlib.import_module(f"ssrl_core.cli.{COMMANDS[name]}")
        with suppress(_Enough):
            add = getattr(module, "register" if COMMANDS[name] == name else f"register_{name}")
            add(_Names(commands) if brief else commands)
    return top


class _Enough(Exception):
    """Nothing more of a command is needed."""


class _Names:
    """Takes a command's name and sentence, and none of its options."""

    def __init__(self, commands: Any) -> None:
        self._commands = commands

    def add_parser(self, name: str, *, help: str, **_: Any) -> NoReturn:
        self._commands.add_parser(name, help=help)
        raise _Enough


class _Parser(argparse.ArgumentParser):
    """argparse whose complaints are SpecErrors, so that `--json` answers them with a document too."""

    def error(self, message: str) -> NoReturn:
        raise SpecError(f"{self.prog}: {message}. See `{self.prog} --help`.")
