"""Compiled forms, for what needs many passes in NumPy; used if numba is installed.

``pip install "firstlight[fast]"`` installs numba. `forms` holds the forms, the other modules their
kernels. FIRSTLIGHT_COMPILED=0 disables them.

Numba caches compiled code until the file of the function changes. After a change to a function that
it calls in another file (`blas`, `frame`, `tile`), touch the caller's file too.
"""
