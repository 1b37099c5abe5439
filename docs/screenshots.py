"""Takes the pictures of the guides from the real app, light and dark: `python docs/screenshots.py [NAME …]`.

They are kept in docs/pictures (WebP, under 3 MB together), so that the documents build without a browser. The app opens
on empty stores and the example that ships: whoever runs this sees what a new user sees. Needs Chromium.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

PICTURES = DOCS / "pictures"
WIDTH, HEIGHT = 1280, 860
THEMES = ("light", "dark")
QUALITY = 78  # of WebP: text stays sharp, a page takes about 60 kB
_STILL_MS = 1500


def _nothing(page: Any) -> None:
    """The page as it opens."""


def _bars(page: Any) -> None:
    """Until what is kept stands there."""
    page.get_by_text("Keeps best").first.wait_for()
    page.get_by_text("LPIPS between views").first.wait_for()


SHOTS: dict[str, tuple[str, Callable[[Any], None]]] = {
    "home": ("", _nothing),
    "compose": ("Compose?dataset=example-cells&composition=cells-figure6-right", _bars),
    "train": ("Train", _nothing),
    "clusters": ("Clusters", _nothing),
    "compare": ("Compare", _nothing),
    "show": ("Show", _nothing),
    "paper": ("Paper", _nothing),
}
"""Name of a picture -> what follows the address of the app, and what is done there first."""


def take(names: tuple[str, ...], folder: Path) -> list[Path]:
    """Write `<name>-<theme>.webp` of each of `SHOTS` that is named.

    Returns:
        The files.
    """
    from bench.support.browser import chromium, served

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with tempfile.TemporaryDirectory() as store:
        os.environ |= {"SSRL_DATA": f"{store}/data", "SSRL_MODELS": f"{store}/models"}
        with served() as address, chromium() as browser:
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            page.set_default_timeout(120_000)
            for name in names:
                path, act = SHOTS[name]
                page.goto(f"{address}/{path}")
                page.locator("h1").first.wait_for()
                act(page)
                for theme in THEMES:
                    page.emulate_media(color_scheme=theme)
                    _settle(page)
                    written.append(_keep(page.screenshot(), folder / f"{name}-{theme}.webp"))
    return written


def _settle(page: Any) -> None:
    page.wait_for_timeout(500)
    page.locator("[data-testid=stStatusWidget]").wait_for(state="detached")
    page.wait_for_timeout(_STILL_MS)


def _keep(png: bytes, file: Path) -> Path:
    from PIL import Image

    Image.open(io.BytesIO(png)).convert("RGB").save(file, quality=QUALITY, method=6)
    return file


if __name__ == "__main__":
    asked = tuple(sys.argv[1:]) or tuple(SHOTS)
    if not shutil.which("chromium"):
        sys.exit("Chromium is not here. Install your system's package chromium, then run this again.")
    if unknown := set(asked) - set(SHOTS):
        sys.exit(f"No picture is called {', '.join(sorted(unknown))}. There are: {', '.join(SHOTS)}.")
    for file in take(asked, PICTURES):
        print(f"{file.relative_to(DOCS.parent)} {file.stat().st_size / 1000:.0f} kB")
