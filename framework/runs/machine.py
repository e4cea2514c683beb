"""What a run ran on, in a few lines: the part of ``environment.json`` that readers ask for."""

# Of all that was installed, what takes part in a training.
PACKAGES = ("firstlight", "numpy", "cupy-cuda12x", "cupy-cuda13x", "numba")


def machine_rows(environment):
    """Return ``[(name, text)]``: machine, BLAS, GPU, Python, packages and code version.

    Parameters
    ----------
    environment : dict
        As ``RunFolder.environment``; what it lacks is left out.

    Examples
    --------
    >>> from firstlight.runs import machine_rows
    >>> machine_rows({"python": "3.12.1", "cpu": "Xeon", "cpus_allowed": 2, "cpu_count": 8})
    [('CPU', 'Xeon, 2 of 8 cores'), ('Python', '3.12.1')]
    """
    cores, allowed = environment.get("cpu_count"), environment.get("cpus_allowed")
    share = f"{allowed} of {cores}" if allowed not in (None, cores) else f"{cores}"
    cpu = environment.get("cpu")
    rows = [
        ("host", environment.get("hostname")),
        ("system", environment.get("platform")),
        ("CPU", f"{cpu}, {share} cores" if cpu else None),
        ("memory", f"{environment['memory_gb']} GB" if environment.get("memory_gb") else None),
        ("BLAS", _blas(environment.get("blas"))),
        ("GPU", _gpu(environment.get("gpu"))),
        ("Python", environment.get("python")),
    ]
    packages = environment.get("packages") or {}
    rows += [(name, packages.get(name)) for name in PACKAGES]
    git = environment.get("git")
    if git:
        branch = f" on {git['branch']}" if git.get("branch") else ""
        rows.append(("code", git["commit"][:12] + branch + ", changed" * bool(git.get("dirty"))))
    return [(name, str(text)) for name, text in rows if text]


def _blas(found):
    if not isinstance(found, list):  # of a run from before this was told in full
        return found
    return "; ".join(
        f"{one.get('internal_api')} {one.get('version')} ({one.get('architecture')}, "
        f"{one.get('num_threads')} threads)"
        for one in found
    )


def _gpu(found):
    if not found:
        return None
    return (
        f"{found['name']}, {found['memory_gb']} GB, CUDA {found['cuda']}, driver {found['driver']}"
    )
