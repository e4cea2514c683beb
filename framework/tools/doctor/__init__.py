"""Doctor: find what is wrong with the environment before a training fails because of it.

Each file holds the checks of one group, a function that yields a `Finding` for each fact. The files
do without NumPy where they can, because a broken NumPy is a fault to find.

==================  ==============================================================================
`examination`       runs the groups: in threads, and what may crash or hang in child processes
`finding`           a fact, with its state, the reason why it matters, and the cure
`page`              the findings as text for a terminal
`interpreter`       Python, its virtual environment, encodings, environment variables
`packages`          required packages and their versions, duplicates
`installation`      stale editable installs, another checkout, modules that are shadowed
`numerics`          NumPy, BLAS, numba
`limits`            cores, threads, memory and files that this process may use
`gpu`               CuPy, the driver, CUDA libraries
`mpi`               mpi4py and mpiexec
`folders`, `quota`  disk space, file systems, the clock, temporary and home folders
`network`           proxies and certificates
`plugin_packages`   plugins that cannot be used
`data_files`        files of data sets: missing ones, damaged ones
`notebooks`         kernels of Jupyter
`cluster`           Slurm
==================  ==============================================================================
"""

from firstlight.tools.doctor.examination import Examination, examine
from firstlight.tools.doctor.finding import Finding

__all__ = ["Examination", "Finding", "examine"]
