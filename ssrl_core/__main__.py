"""`python -m ssrl_core …`: the command line."""

import sys

if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036  said before anything is imported that it could not read
        from ssrl_core.start import require_python

        require_python()
    try:
        from ssrl_core.cli import main

        sys.exit(main())
    except ModuleNotFoundError as missing:
        from ssrl_core.start import why_missing

        sys.exit(why_missing(missing))
