"""What mkdocs takes into the site from elsewhere: `CONTRIBUTING.md` as a page, and the drawing of the app."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent


def on_files(files: Files, config: Any) -> Files:
    """Add both; the page's links begin at the top of the project, those of the site in docs/."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").replace("](docs/", "](")
    files.append(File.generated(config, "contributing.md", content=text))
    drawing = ROOT / "pages" / "ui" / "kit" / "drawings" / "viewloom.svg"
    files.append(File.generated(config, "viewloom.svg", abs_src_path=str(drawing)))
    return files
