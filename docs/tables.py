"""Writes transforms, methods, backbones, classes and commands in docs/ from the code: `python docs/tables.py`.

tests/test_documentation.py fails while a file is not what this would write.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

from ssrl_core.analysis.bias.reading import NAMED
from ssrl_core.analysis.bias.sentences import DEFINITIONS
from ssrl_core.cli import parser
from ssrl_core.specs.backbones import BACKBONES
from ssrl_core.specs.composition import load
from ssrl_core.specs.methods import METHODS, UNTRAINED
from ssrl_core.specs.parameters import Parameter, shown
from ssrl_core.specs.presets_table import PRESETS_TABLE
from ssrl_core.specs.recipes import RECIPES, Recipe
from ssrl_core.specs.transforms import TRANSFORMS

NOTE = "<!-- written by docs/tables.py -->\n"
BRING = f"""The Classes page (“A table”) and `python -m ssrl_core classes FILE` take a table as CSV, TSV or Parquet with
one row for each class, probe and run. `python -m ssrl_core runs table SWEEP --classes --out FILE` writes that of a
sweep.

- {", ".join(f"`{name}`" for name in NAMED)}: names, in every row; `seed`: a whole number, in every row.
- `vary.PATH`: the value of the parameter that the sweep varies, a number, a range `[0.2, 1.0]` or a name; several such
  columns where several vary. Columns that only repeat the method, the backbone or the data set are settings, not
  parameters.
- `accuracy`: in 0..1, empty where there is none (then `correct` / `n`, if these are there).
- may be left out: `run`, `probe` (`linear`, `knn`, `finetune-0.01`; without it all are `linear`), `superclass`, `n` and
  `correct` (images of the class, and how many of them are right; without them there is no interval for a single seed,
  and every class counts the same in the overall accuracy).

What a table lacks is named below each view and in `reasons` of the document: missing runs, one seed, a class without
images, an accuracy that is the same at every point (its correlations are undefined, neither 0 nor 1).
"""
DEFINED = "As `definitions` in the document of `classes FILE --json`, and at the foot of the page.\n"


def transforms() -> str:
    """The catalogue of transforms and presets."""
    parts = [NOTE, "# Transforms\n"]
    for row in TRANSFORMS.values():
        parts.append(f"## {row.name}\n\n**{row.title}** ({row.kind}). {row.sentence} Source: {row.source}.\n")
        if row.parameters:
            parts.append(_settings(row.parameters))
    parts.append("# Compositions that ship\n")
    for name, preset in PRESETS_TABLE.items():
        silent = f" {preset.silent}" if preset.silent else ""
        parts.append(f"- `{name}`: {load(name).sentence()}. Source: {preset.source}.{silent}")
    return "\n".join(parts) + "\n"


def methods() -> str:
    """The catalogue of methods."""
    parts = [NOTE, "# Methods\n"]
    for row in METHODS.values():
        optimizer = ", ".join(f"{key} {shown(value)}" for key, value in row.optimizer.items() if key != "name")
        parts.append(f"## {row.name}\n\n**{row.title}.** {row.sentence} Source: {row.paper}.\n")
        parts.append(f"Own optimizer: {row.optimizer['name']}, {optimizer}. Views: {row.views}.\n")
        parts.append(_settings(row.settings))
    for row in UNTRAINED.values():
        source = f" Source: {row.paper}." if row.paper else ""
        parts.append(f"## {row.name}\n\n**{row.title}.** {row.sentence}{source}\n")
        if row.settings:
            parts.append(_settings(row.settings))
    return "\n".join([*parts, *_recipes()]) + "\n"


def _recipes() -> list[str]:
    """What a recipe sets of each method, where its numbers are from, and what of its source it cannot say."""
    parts = ["# Recipes\n", "`recipe: NAME` in a spec fills in what the spec leaves out.\n"]
    for name, row in RECIPES.items():
        parts.append(f"## {name}\n\n**{row.title}.** {row.sentence} Source: {row.source}. {row.lacks}".rstrip() + "\n")
        if any(recipe.lacks for recipe in row.of.values()):
            parts.append(
                "| method | optimizer, rate, decay, batch | other settings | what it cannot say |\n|---|---|---|---|"
            )
            parts += [_recipe(method, recipe) for method, recipe in row.of.items()]
            parts.append("")
    return parts


def _recipe(method: str, recipe: Recipe) -> str:
    own, schedule = recipe.optimizer or {}, recipe.schedule or {}
    settings = {
        **recipe.method,
        **{k: v for k, v in schedule.items() if k == "final_lr" or schedule["warmup_epochs"] != 10},
    }
    told = ", ".join(f"{key} {shown(value)}" for key, value in settings.items() if key != "name")
    numbers = f"{own['name']}, {shown(own['lr'])}, {shown(own['weight_decay'])}, {recipe.batch_size}"
    return f"| `{method}` | {numbers} | {told} | {recipe.lacks} |"


def backbones() -> str:
    """The table of backbones."""
    lines = [
        NOTE,
        "# Backbones\n",
        "| name | embedding | parameters (M) | ImageNet weights | |",
        "|---|---|---|---|---|",
    ]
    for row in BACKBONES.values():
        lines.append(
            f"| `{row.name}` | {row.dim} | {row.parameters_m:g} | {'yes' if row.imagenet else '–'} | {row.sentence} |"
        )
    return "\n".join(lines) + "\n"


def classes() -> str:
    """The table of class accuracies that one may bring, and what each number of its statistics is."""
    parts = [NOTE, "# Classes\n", BRING, "## What each number is\n", DEFINED]
    parts += [f"- `{name}`: {text}" for name, text in DEFINITIONS.items()]
    return "\n".join(parts) + "\n"


def commands() -> str:
    """The help of every command."""
    parts = [NOTE, "# Commands\n"]
    for leaf in _leaves(parser()):
        options = [
            f"- `{_option(action)}` {action.help or ''}".rstrip() for action in leaf._actions if action.dest != "help"
        ]
        parts.append(f"## {leaf.prog}\n\n{leaf.description}\n\n" + "\n".join(options) + "\n")
    return "\n".join(parts)


def _settings(parameters: tuple[Parameter, ...]) -> str:
    lines = ["| setting | default | rule | meaning |", "|---|---|---|---|"]
    for p in parameters:
        unit = f" ({p.unit})" if p.unit else ""
        lines.append(f"| `{p.name}` | {shown(p.default)} | {p.rule()}{unit} | {p.sentence} |")
    return "\n".join(lines) + "\n"


def _leaves(top: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    groups = [action for action in top._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield top
    for group in groups:
        for child in group.choices.values():
            yield from _leaves(child)


def _option(action: argparse.Action) -> str:
    name = ", ".join(action.option_strings) or action.metavar or action.dest
    value = "" if action.nargs == 0 or not action.option_strings else f" {action.metavar or action.dest.upper()}"
    return f"{name}{value}"


PAGES = {
    "transforms.md": transforms,
    "methods.md": methods,
    "backbones.md": backbones,
    "classes.md": classes,
    "commands.md": commands,
}

if __name__ == "__main__":
    for name, make in PAGES.items():
        (DOCS / name).write_text(make(), encoding="utf-8")
