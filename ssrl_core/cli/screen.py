"""`screen RUN|TABLE`: what screeners ask of profiles: replicates, mechanisms, plates, beside a cell count alone."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssrl_core.cli.output import leaf, pair, table
from ssrl_core.errors import some_of

if TYPE_CHECKING:
    from ssrl_core.analysis.screens.screen import Screen
    from ssrl_core.runs.folder.run_folder import RunFolder
    from ssrl_core.specs.screens import Recipe

_TABLES = (".csv", ".tsv", ".parquet", ".gz")


def register(commands: Any) -> None:
    """Add the command."""
    command = leaf(
        commands,
        "screen",
        run=_screen,
        show=_show,
        help="profiles of wells, corrected for plates, and how well replicates and mechanisms agree",
        description="Profiles of wells and treatments of a run, or of a table of numbers (CellProfiler, pycytominer), "
        "corrected for plates, and their scores before and after, beside the number of cells alone.",
    )
    command.add_argument("what", metavar="RUN|TABLE", help="id of a run, or a .csv, .csv.gz, .tsv or .parquet file")
    command.add_argument(
        "--recipe", type=Path, metavar="FILE", help="a recipe (YAML, or bbbc021, no-correction); else the run's own"
    )
    command.add_argument("--mechanism", metavar="COLUMN", help="the column of mechanisms, where its name does not say")
    command.add_argument("--batch", metavar="COLUMN", help="the column of batches, where its name does not say")
    command.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="WHAT=NAME",
        help="of a table: its column of the plate, well, compound, dose, mechanism or batch; repeatable",
    )
    command.add_argument(
        "--beside",
        action="store_true",
        help="first make the run's part `screen`: raw pixels, the untrained and an ImageNet network beside; waits",
    )
    command.add_argument(
        "--leave-out",
        action="store_true",
        help="where pairs taught a score: train the same again without half of the compounds and score those; waits",
    )
    command.add_argument("--out", type=Path, metavar="FOLDER", help="write profiles and tables of scores there")


def _screen(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.analysis.screens.answers import answers
    from ssrl_core.analysis.screens.screen import beside
    from ssrl_core.runs.evaluation.screens import LEARNT
    from ssrl_core.specs.screens import Recipe

    recipe = None if args.recipe is None else Recipe.read(args.recipe)
    if Path(args.what).suffix.lower() in _TABLES or Path(args.what).is_file():
        found, others, head = _of_table(args, recipe)
    else:
        found, others, head = _of_run(args, recipe)
    numbers, missing = beside(others, found.recipe)
    told = found.to_json(numbers)
    told["answers"] = [str(one) for one in answers(found, told)]
    told["missing"] |= {f"beside.{kind}": why for kind, why in missing.items()}
    if "run" in head and not numbers.keys() - {LEARNT}:
        told["missing"]["beside"] = "not made yet: `screen RUN --beside` makes it"
    if args.out is not None:
        head["files"] = found.write(args.out)
    from ssrl_core.runs.folder.results import clean

    return dict(clean({**head, "recipe": found.recipe.to_mapping(), **told}))


def _of_table(args: argparse.Namespace, recipe: Recipe | None) -> tuple[Screen, dict[str, Any], dict[str, Any]]:
    from ssrl_core.analysis.screens.profiles import profiles_of_table, read_table
    from ssrl_core.analysis.screens.screen import screen
    from ssrl_core.specs.screens import Recipe

    columns = (recipe or Recipe()).columns(mechanism=args.mechanism, batch=args.batch)
    told = {"rule": "WHAT=NAME", "remedy": "Write --column well=Metadata_Position."}
    named = dict(pair(text, where="screen", field="--column", **told) for text in args.column)
    wells = profiles_of_table(read_table(Path(args.what)), **columns, columns=named)
    return screen(wells, recipe), {}, {"table": args.what}


def _of_run(args: argparse.Namespace, recipe: Recipe | None) -> tuple[Screen, dict[str, Any], dict[str, Any]]:
    from ssrl_core.runs.evaluation.screens import asked_recipe, screen_of_run, taught
    from ssrl_core.runs.folder.run_folder import RunFolder
    from ssrl_core.runs.queue.run_names import find

    run = RunFolder(find(args.what))
    if args.leave_out:
        run, recipe = RunFolder(_leave_out(run, recipe or asked_recipe(run))), None
    elif args.beside:
        _make(run.id, recipe or asked_recipe(run))
    found, others = screen_of_run(run, recipe, mechanism=args.mechanism, batch=args.batch)
    return found, others, {"run": run.id, "taught": [one.words for one in taught(run, found.recipe)]}


def _leave_out(run: RunFolder, recipe: Recipe) -> str:
    """Queue the run without what its pairs share, and wait; its id.

    Raises:
        SSRLError: its pairs taught nothing; it failed, or was stopped.
    """
    from ssrl_core.cli.output import to_stderr
    from ssrl_core.cli.train import say_if_nobody_works, wait_saying
    from ssrl_core.runs import jobs
    from ssrl_core.runs.evaluation.screens import leaving_out
    from ssrl_core.runs.queue import submitting

    with jobs.Reporter() as share:
        spec = leaving_out(run.spec(), recipe, lambda done, total, _: share(0.5 * done / max(1, total)))
        asked = submitting.submit(spec)["id"]
        to_stderr(f"{spec.dataset.name}: the same run without what its pairs share is {asked}")
        say_if_nobody_works()
        submitting.raise_unless_done(asked, wait_saying(asked))
    return str(asked)


def _make(run_id: str, recipe: Recipe) -> None:
    """Ask for the run's part and wait.

    Raises:
        SSRLError: it failed, was stopped, or the run ships and is not written into.
    """
    from ssrl_core.cli.train import say_if_nobody_works, wait_saying
    from ssrl_core.runs.queue import processes, submitting

    submitting.ask_more(run_id, {"screen": recipe.to_mapping()})
    processes.start_coordinator()
    say_if_nobody_works()
    submitting.raise_unless_done(run_id, wait_saying(run_id))


def _show(data: dict[str, Any]) -> str:
    from ssrl_core.runs.evaluation.screens import NAMED

    counts = data["counts"]
    kinds = {"before correction": data, "after": data["corrected"], "cell count": data["cell_count"]}
    kinds |= {NAMED[kind]: numbers for kind, numbers in data["beside"].items()}
    head = (
        f"{data.get('run') or data.get('table')}: {counts['treatments']} treatments of {counts['compounds']} compounds "
        f"in {counts['wells']} wells on {counts['plates']} plates, {counts['untreated']} wells untreated"
    )
    rows = [{"": kind, **_row(numbers)} for kind, numbers in kinds.items() if numbers]
    told = [f"  {text}" for text in data["answers"]]
    lines = [head, *told, table(rows, list(rows[0])), *_left_out(data["corrected"])]
    lines += [f"! {text}: `screen RUN --leave-out` asks it of what is left out." for text in data.get("taught", [])]
    lines += [f"! {text}" for text in data["said"]]
    return "\n".join([*lines, *(f"missing {name}: {why}" for name, why in data["missing"].items())])


def _row(numbers: dict[str, Any]) -> dict[str, str]:
    found = {
        "replicates (mAP)": numbers["map"]["activity"],
        "mechanisms (mAP)": numbers["map"]["consistency"],
        "NSC": numbers["nsc"],
        "NSCB": numbers["nscb"],
        "replicating": numbers["replicating"],
        "grit": numbers["grit"],
        "plate": numbers["plate"],
    }
    return {name: _spread(one) for name, one in found.items()}


def _spread(one: dict[str, Any]) -> str:
    if one.get("value") is None:
        return "–"
    if one.get("low") is None:
        return f"{one['value']:.2f}"
    return f"{one['value']:.2f} ({one['low']:.2f} to {one['high']:.2f})"


def _left_out(numbers: dict[str, Any]) -> list[str]:
    lines = []
    for name, rows in (("mAP", numbers["map"]["activity"]["left_out"]), ("NSC", numbers["nsc"]["left_out"]),
                       ("NSCB", numbers["nscb"]["left_out"])):  # fmt: skip
        by_why: dict[str, list[str]] = {}
        for row in rows:
            by_why.setdefault(row["why"], []).append(row["treatment"])
        for why, names in by_why.items():
            lines.append(f"not in {name} ({why}): {some_of(names, 6)}")
    return lines
