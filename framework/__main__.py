"""Run the command line as ``python -m firstlight``."""

import sys

from firstlight.tools.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
