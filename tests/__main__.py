"""`python tests [--coverage] [pytest arguments]`: every test, in an environment that has what they need."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from ssrl_core.start import ensure  # noqa: E402  the path must be set first

if {"-h", "--help"} & set(sys.argv[1:]):  # says what it does, and installs nothing for it
    print(__doc__)
    print(
        "Installs the packages of requirements-dev.txt, then hands its arguments to pytest (tests/runs -k kill -x …)."
    )
    sys.exit(0)
ensure(ROOT / "requirements-dev.txt", [str(Path(__file__).parent), *sys.argv[1:]])
words = sys.argv[1:]
if "--coverage" in words:  # twice the time, so it is asked for
    words.remove("--coverage")
    words += ["--cov=ssrl_core", "--cov=pages", "--cov-report=term:skip-covered"]
environment = {**os.environ, "PYTHONPATH": str(ROOT)}
sys.exit(subprocess.run([sys.executable, "-m", "pytest", *words], cwd=ROOT, env=environment, check=False).returncode)
