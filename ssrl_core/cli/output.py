"""What a command prints (one JSON document for programs, text for people, the exit code), and lists it is given."""

from __future__ import annotations

import argparse
import csv
import json
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from ssrl_core.errors import SpecError, SSRLError, not_written
from ssrl_core.stores import NotKept


def leaf(
    group: Any,
    name: str,
    *,
    run: Callable[[argparse.Namespace], Any],
    show: Callable[[Any], str],
    help: str,
    description: str | None = None,
) -> argparse.ArgumentParser:
    """Add a command that does something, with `--json`.

    Args:
        group: what `add_subparsers` returned.
        run: does the work and returns JSON-able data (docs/contracts.md C11); raises SSRLError.
        show: the same data as text for people.
    """
    parser: argparse.ArgumentParser = group.add_parser(name, help=help, description=description or help)
    parser.add_argument("--json", action="store_true", help="print exactly one JSON document on stdout")
    parser.set_defaults(run=run, show=show, command=parser.prog.split(" ", 1)[-1].removeprefix("-m ssrl_core "))
    return parser


def add_run(parser: argparse.ArgumentParser, name: str = "run_id", metavar: str = "RUN") -> None:
    """Add the argument that names a run."""
    parser.add_argument(name, metavar=metavar, help="id of a run, or the beginning of one that fits no other")


def report(args: argparse.Namespace) -> int:
    """Run the command that was parsed and print its answer.

    Returns:
        The exit code: 0, 1 failed, 2 bad input, 3 stopped while waited for.
    """
    try:
        with warnings.catch_warnings():
            warnings.showwarning = partial(_warn, warnings.showwarning)
            data = args.run(args)
    except SSRLError as error:
        return fail(args.command, error, as_json=args.json)
    except OSError as error:
        if (told := not_written(error)) is None:
            raise
        return fail(args.command, told, as_json=args.json)
    if args.json:
        _print_json({"version": 1, "ok": True, "command": args.command, "data": data})
    else:
        print(args.show(data))
    return 0


def _warn(usual: Callable[..., None], message: Any, category: type[Warning], *place: Any, **where: Any) -> None:
    """What was not kept is said in one line, without the place in our code."""
    if issubclass(category, NotKept):
        to_stderr(str(message))
    else:
        usual(message, category, *place, **where)


def fail(command: str, error: SSRLError, *, as_json: bool) -> int:
    """Print an error where it belongs and return its exit code."""
    if as_json:
        _print_json({"version": 1, "ok": False, "command": command, "error": error.as_dict()})
    else:
        print(error.message, file=sys.stderr)
    return error.exit_code


def to_stderr(text: str) -> None:
    """A line of progress, on stderr so that stdout stays one document."""
    print(text, file=sys.stderr, flush=True)


def say_torn(datasets: Iterable[str]) -> None:
    """A line for each image set whose split makes scores doubtful."""
    from ssrl_core.datasets.store import torn_words

    for name in dict.fromkeys(datasets):
        if said := torn_words(name):
            to_stderr(f"{name}: {said}")


class ProgressLines:
    """Says every tenth of the way, and every word that has no way, on stderr, and hands every share on.

    Args:
        report: told the share done, 0..1.
    """

    def __init__(self, report: Callable[[float], None] | None = None) -> None:
        self._report, self._last = report, ("", -1)

    def __call__(self, done: int, total: int, what: str) -> None:
        """A `Report`: what is done of how much."""
        if self._report is not None:
            self._report(done / total if total else 0.0)
        tenth = 10 * done // total if total else 0
        if (what, tenth) != self._last:
            self._last = (what, tenth)
            to_stderr(f"{what}: {done:,} of {total:,}" if total else what)


class Tenths:
    """Tells every tenth of some work once, on stderr, and hands every share on.

    Args:
        what: is done.  report: told the share done, 0..1.  every: so many tenths at a time, for work of seconds.
    """

    def __init__(self, what: str, report: Callable[[float], None] | None = None, *, every: int = 1) -> None:
        self._what, self._report, self._every, self._told = what, report, every, 0

    def __call__(self, share: float) -> None:
        """So much is done, 0..1."""
        if self._report is not None:
            self._report(share)
        if int(10 * share) >= self._told + self._every:
            self._told = int(10 * share)
            to_stderr(f"{self._what} {10 * self._told} %")


def table(rows: list[dict[str, Any]], columns: list[str]) -> str:
    """Rows as aligned text columns; an empty list says so."""
    if not rows:
        return "nothing here yet"
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    widths = [max(len(line[i]) for line in [columns, *cells]) for i in range(len(columns))]
    lines = [columns, *cells]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _print_json(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n")


def names_in(text: str, *, where: str, field: str) -> list[str]:
    """`DNA, actin` -> [DNA, actin]; a name that has a comma itself stands in quotes: `"DAPI, 405",actin`.

    Raises:
        SpecError: a quote that is not closed, or with something behind it.
    """
    try:
        rows = list(csv.reader([text], skipinitialspace=True, strict=True))
    except csv.Error:
        rule = 'names with commas between them, in "quotes" where they have commas themselves'
        raise SpecError.at(where, field, rule, text) from None
    return [name.strip() for row in rows for name in row] or [""]


def pair(
    text: str, *, where: str, field: str = "--where", rule: str = "COLUMN=VALUE", remedy: str = ""
) -> tuple[str, str]:
    """`seed=5` -> (seed, 5); the first `=` parts them.

    Raises:
        SpecError: no `=`, or nothing before it.
    """
    column, found, value = text.partition("=")
    if not found or not column.strip():
        raise SpecError.at(where, field, rule, text, remedy)
    return column.strip(), value.strip()


def several(texts: Sequence[str], *, where: str) -> dict[str, list[str]] | None:
    """`compound=DMSO,taxol` -> {compound: [DMSO, taxol]}; a column that is named again gets more values; None if none.

    A value with a comma of its own stands in quotes.

    Raises:
        SpecError: as `pair`, and for quotes that are not closed.
    """
    chosen: dict[str, list[str]] = {}
    for text in texts:
        column, values = pair(text, where=where, rule="COLUMN=VALUE,VALUE")
        chosen.setdefault(column, []).extend(names_in(values, where=where, field="--where"))
    return chosen or None
