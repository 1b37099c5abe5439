"""What pyproject.toml cannot say: the app, which lies at the top of the source tree, goes into the wheel too.

`app.py`, `pages/` and `.streamlit/` become `ssrl_core/app/`, so that no `pages` is at the top of site-packages.
Streamlit puts the folder of `app.py` on the path: imports of pages are the same in both places.
"""

from __future__ import annotations

from setuptools import find_namespace_packages, setup
from setuptools.command.build_py import build_py


class LibraryAndApp(build_py):
    """Takes of the top of the source tree `app.py` alone."""

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        """(package, module, file) of each module."""
        found = super().find_package_modules(package, package_dir)
        return [row for row in found if package != "ssrl_core.app" or row[1] == "app"]


def _packages(pattern: str) -> list[str]:
    return find_namespace_packages(include=[pattern], exclude=["*__pycache__*"])


setup(
    packages=[*_packages("ssrl_core*"), "ssrl_core.app", *(f"ssrl_core.app.{name}" for name in _packages("pages*"))],
    package_dir={"ssrl_core.app": ".", "ssrl_core.app.pages": "pages"},
    cmdclass={"build_py": LibraryAndApp},
)
