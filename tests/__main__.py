"""`python tests [pytest arguments]`: every test, in an environment that has what they need."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from ssrl_core.start import ensure  # noqa: E402  the path must be set first

ensure(ROOT / "requirements-dev.txt", [str(Path(__file__).parent), *sys.argv[1:]])
environment = {**os.environ, "PYTHONPATH": str(ROOT)}
sys.exit(
    subprocess.run([sys.executable, "-m", "pytest", *sys.argv[1:]], cwd=ROOT, env=environment, check=False).returncode
)
