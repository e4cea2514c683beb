"""The ``firstlight`` command, also as ``python -m firstlight``."""

import os
import sys


def main() -> int:
    """Run the command line, with BLAS threads that sleep soon after a product.

    OpenBLAS' threads look for more work for 2²⁶ ticks of the processor's clock, some 30 ms, on
    cores that the threads of `firstlight.fast.blocked.parallel` and other processes want. 2²⁰
    ticks, 0.4 ms, serve products that follow each other closely as well. OpenBLAS reads the
    variable only when NumPy is first imported, so it is set here, in the command's own process.
    """
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "20")  # the power of two
    from firstlight.tools.cli.main import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
