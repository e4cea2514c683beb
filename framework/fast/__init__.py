"""Faster forms of the lessons in `nn` and `optim`; `firstlight.support.forms` tells what a form is.

`firstlight.fast.forms` registers them all. No lesson imports this package: without its folder, the
lessons do the work.

==============  ==================================================================================
``blocked/``    NumPy over blocks that stay in the cache, in threads
``compiled/``   forms whose kernels numba compiles
``cuda/``       CUDA kernels and cuBLAS products, on CuPy arrays
==============  ==================================================================================
"""
