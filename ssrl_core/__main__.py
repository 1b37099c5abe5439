"""`python -m ssrl_core …`: the command line."""

import sys

from ssrl_core.cli import main

if __name__ == "__main__":
    sys.exit(main())
