"""Draws the architecture from the imports: `python docs/drawing.py` renews docs/architecture.md, `--check` compares.

A room is a folder or a file of `ssrl_core`, a folder of `pages/ui`, or the pages themselves. An arrow means "imports";
one that follows from others is not drawn (A → C where A → B → C), else no drawing of a layered house can be read.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
TARGET = DOCS / "architecture.md"
START, END = "<!-- drawn by docs/drawing.py -->", "<!-- end of the drawing -->"
SPLIT = ("datasets", "analysis", "learning", "runs")  # rooms whose own rooms are drawn too
PAGE_ROOMS = {
    "kit": "frame, theme, choosing, gallery, pictures, jobs, cache, session",
    "map": "the map: view, wire format, facets, JavaScript",
    "runs": "a run chosen, listed, compared; sweeps",
}
Edges = dict[str, set[str]]


def modules() -> dict[str, Path]:
    """Every Python module of the library, the pages and the front door, by its dotted name."""
    files = [*(ROOT / "ssrl_core").rglob("*.py"), *(ROOT / "pages").rglob("*.py"), ROOT / "app.py"]
    return {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in sorted(files)}


def imported(path: Path) -> Iterator[str]:
    """Names that a file imports, with what it takes from them."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(module: str, *, inside: str = "") -> str | None:
    """The room of a module; with `inside`, its room within that one (`runs.queue`), None outside it."""
    parts = module.split(".")
    if parts[0] == "ssrl_core" and len(parts) > 1:
        if not inside:
            return parts[1]
        return (
            ".".join(parts[1:3]) if parts[1] == inside and (ROOT / "ssrl_core" / Path(*parts[1:3])).is_dir() else None
        )
    if inside:
        return None
    if parts[:2] == ["pages", "ui"] and len(parts) > 2:
        return f"ui/{parts[2]}"
    return "pages" if parts[0] in ("pages", "app") else None


def edges(inside: str = "") -> Edges:
    """Which room imports from which."""
    found: Edges = defaultdict(set)
    known = modules()
    for name, path in known.items():
        here = room(name, inside=inside)
        if here is None or here.endswith("__main__"):
            continue
        found[here] |= {there for other in imported(path) if (there := room(other, inside=inside)) and there != here}
    return dict(found)


def reduced(found: Edges) -> Edges:
    """Without arrows that follow from others."""

    def reach(start: str, seen: set[str]) -> set[str]:
        for there in found.get(start, set()) - seen:
            seen.add(there)
            reach(there, seen)
        return seen

    return {
        here: {t for t in others if not any(t in reach(o, set()) for o in others - {t})}
        for here, others in found.items()
    }


def mermaid(found: Edges) -> str:
    """A drawing in Mermaid, which GitHub and the built pages show."""
    key = {name: re.sub(r"\W", "_", name) for name in found}
    lines = [f'  {key[name]}["{name}"]' for name in sorted(found)]
    lines += [f"  {key[a]} --> {key[b]}" for a in sorted(found) for b in sorted(reduced(found)[a])]
    return "```mermaid\ngraph TD\n" + "\n".join(lines) + "\n```\n"


def sentence(name: str) -> str:
    """What a room is: the first line of its docstring."""
    if name.startswith("ui/"):
        return PAGE_ROOMS.get(name.removeprefix("ui/"), f"the page {name.removeprefix('ui/').capitalize()}")
    if name == "pages":
        return "one thin file a page, and the front door `app.py`"
    path = ROOT / "ssrl_core" / Path(*name.split("."))
    text = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8")
    said = (ast.get_docstring(ast.parse(text)) or "").splitlines() if text else []
    return said[0].rstrip(".") if said else ""


def table(found: Edges, inside: str = "") -> str:
    """A row for each room: its modules, what it is, and all that it imports from."""
    count: dict[str, int] = defaultdict(int)
    for name in modules():
        count[room(name, inside=inside) or ""] += 1
    lines = ["| room | modules | what it is | imports from |", "|---|---|---|---|"]
    for name in sorted(found):
        lines.append(f"| `{name}` | {count[name]} | {sentence(name)} | {', '.join(sorted(found[name])) or '–'} |")
    return "\n".join(lines) + "\n"


def drawing() -> str:
    """All that is written from the imports."""
    whole = {name: others for name, others in edges().items() if not name.startswith("__")}
    whole = {name: {o for o in others if not o.startswith("__")} for name, others in whole.items()}
    parts = [START, "", mermaid(whole), table(whole)]
    for name in SPLIT:
        found = edges(name)
        if found:
            parts += [f"### Inside `{name}`\n", mermaid(found), table(found, name)]
    return "\n".join([*parts, END])


def page() -> str:
    """docs/architecture.md as it should be."""
    text = TARGET.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    return before + drawing() + rest.partition(END)[2]


if __name__ == "__main__":
    if "--check" not in sys.argv:
        TARGET.write_text(page(), encoding="utf-8")
    elif TARGET.read_text(encoding="utf-8") != page():
        sys.exit("docs/architecture.md is not what the imports say: run python docs/drawing.py")
