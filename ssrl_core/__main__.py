"""`python -m ssrl_core …`: the command line."""

import sys

if __name__ == "__main__":
    try:
        from ssrl_core.cli import main

        sys.exit(main())
    except ModuleNotFoundError as missing:
        from ssrl_core.start import why_missing

        sys.exit(why_missing(missing))
