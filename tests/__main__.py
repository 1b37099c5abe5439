"""`python tests [--coverage] [pytest arguments]`: every test, in an environment that has what they need.

Without pytest arguments a process for each core takes one file of tests after another, at most four at once.
"""

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
words = [word for word in sys.argv[1:] if word != "--coverage"]
if not words:
    words = ["-n", "logical", "--maxprocesses", "4", "--dist", "loadfile", "--no-loadscope-reorder"]
if "--coverage" in sys.argv:  # twice the time, so it is asked for
    words += ["--cov=ssrl_core", "--cov=pages", "--cov-report=term:skip-covered"]
environment = {**os.environ, "PYTHONPATH": str(ROOT)}
sys.exit(subprocess.run([sys.executable, "-m", "pytest", *words], cwd=ROOT, env=environment, check=False).returncode)
