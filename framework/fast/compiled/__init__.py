"""Compiled forms, for what needs many passes in NumPy; used if numba is installed.

`forms` holds the forms, `code_cache` the files of compiled code, the other modules the kernels.
FIRSTLIGHT_COMPILED=0 disables them.
"""
