"""`python -m ssrl_core …`: the command line."""

import sys

if __name__ == "__main__":
    from ssrl_core.start import require_python, why_missing

    require_python()
    try:
        from ssrl_core.cli import main

        sys.exit(main())
    except ModuleNotFoundError as missing:
        sys.exit(why_missing(missing))
