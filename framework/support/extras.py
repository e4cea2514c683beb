"""Optional packages: check that they are installed, before any work begins."""

import sys
from importlib.util import find_spec


class MissingPackageError(ImportError):
    """An optional package is not installed; the message says how to install it."""


def installed(module: str) -> bool:
    """Return whether a top-level module can be imported, without importing it."""
    if module in sys.modules:
        return sys.modules[module] is not None
    return find_spec(module) is not None


def require(who: str, *modules: str, extra: str, instead: str = "") -> None:
    """Raise a `MissingPackageError` unless modules can be imported.

    Parameters
    ----------
    who : str
        The feature that needs them, for the message.
    *modules : str
    extra : str
        The extra of firstlight that installs them, e.g. "report".
    instead : str
        An alternative for the user.

    Examples
    --------
    >>> from firstlight.support.extras import require
    >>> require("this example", "numpy", extra="report")
    """
    for module in modules:
        if not installed(module):
            raise MissingPackageError(
                f"{who} needs the package {module}; install it with: "
                f"pip install 'firstlight[{extra}]'" + (f"; or {instead}" if instead else ""),
                name=module,
            )
