"""The ``firstlight`` command, also as ``python -m firstlight``."""

import os
import sys


def main() -> int:
    """Run the command line, with BLAS threads that sleep soon after a product.

    By default OpenBLAS threads spin for 2²⁶ clock ticks (about 30 ms) after a product. Meanwhile
    they occupy cores that `firstlight.fast.blocked.parallel` and other processes need. 2²⁰ ticks
    (0.4 ms) are enough for consecutive products. OpenBLAS reads the variable only when NumPy is
    first imported, so it is set here.
    """
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "20")  # log2 of the ticks
    from firstlight.tools.cli.main import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
