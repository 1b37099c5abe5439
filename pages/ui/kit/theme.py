"""The look that Streamlit's theme cannot say: a few rules of CSS, so few that an update breaks little.

Colours that depend on the theme are written `light-dark(a, b)`: Streamlit sets `color-scheme` with its theme.
"""

from __future__ import annotations

INK = "light-dark(#14181f, #e8ebef)"
QUIET = "light-dark(#5b6470, #9aa4b1)"
LINE = "light-dark(#e2e6eb, #2a313a)"
PANEL = "light-dark(#f6f7f9, #171b21)"
ACCENT = "light-dark(#0f766e, #2dd4bf)"
WARNING = "light-dark(#b45309, #f59e0b)"
DANGER = "light-dark(#b91c1c, #f87171)"
IMAGE_GROUND = "#0b0d10"

_RULES = f"""
.stApp {{ font-variant-numeric: tabular-nums; }}
[data-testid="stHeader"] {{ background: transparent; }}
[data-testid="stMainBlockContainer"] {{ padding: 2.4rem 1.6rem 4rem; max-width: 1760px; }}
[data-testid="stSidebarHeader"] {{ height: 2.6rem; margin-bottom: 0; }}
[data-stale="true"] {{ opacity: 1 !important; transition: none !important; }}
[data-testid="stImage"] img {{ background: {IMAGE_GROUND}; border-radius: 4px; }}
[data-testid="stHeading"] [data-testid="stMarkdownContainer"] {{ margin-bottom: 0; }}
h1 {{ padding: 0 !important; line-height: 1.25 !important; }}
[data-testid="stBaseButton-primary"], [data-testid="stPopover"] button[kind="primary"],
[data-testid="stMultiSelect"] [data-baseweb="tag"] {{ color: light-dark(#ffffff, #06201c); }}
.vl-question {{ color: {QUIET}; margin: 0; font-size: 1rem; line-height: 1.4; max-width: 110ch; }}
.vl-quiet {{ color: {QUIET}; font-size: .86rem; line-height: 1.4; }}
.vl-group {{ color: {QUIET}; font-size: .72rem; letter-spacing: .06em; text-transform: uppercase;
  margin: .7rem 0 0 .5rem; }}
.vl-empty {{ text-align: center; color: {QUIET}; padding-top: 8vh; }}
.vl-empty img {{ width: 184px; height: auto; display: block; margin: 0 auto 1rem; }}
.vl-empty .vl-question {{ margin: 0 auto 1rem; }}
.vl-fight {{ color: {WARNING}; font-size: .9rem; line-height: 1.4; margin: .1rem 0; }}
.vl-bar {{ height: 4px; border-radius: 2px; background: {LINE}; overflow: hidden; margin: .25rem 0; }}
.vl-bar > i {{ display: block; height: 100%; background: {ACCENT}; }}
.vl-now {{ font-size: .86rem; line-height: 1.35; margin-bottom: .5rem; }}
.vl-now b {{ font-weight: 500; display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }}
.vl-now span {{ color: {QUIET}; }}
.vl-store {{ color: {QUIET}; font-size: .76rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
  direction: rtl; text-align: left; }}
.st-key-vl-sidebar-links, .st-key-vl-brand {{ gap: .1rem; }}
.st-key-vl-brand a p {{ font-size: 1.15rem; font-weight: 600; letter-spacing: -.01em; }}
@media (max-width: 640px) {{ [data-testid="stMainBlockContainer"] {{ padding: 3.4rem 1rem 3rem; }} }}
@media print {{
  /* charts keep the width that they have on the screen: a sheet of that width, which printers make smaller */
  @page {{ size: 400mm 566mm; margin: 12mm; }}
  [data-testid="stSidebar"], [data-testid="stToolbar"] {{ display: none; }}
}}
"""


def css(extra: str = "") -> str:
    """The style sheet of every page, with what one page adds."""
    return f"<style>{_RULES}{extra}</style>"
