"""Runs: neighbours in the flat arrays that an optimizer can step at once."""


def find_runs(optimizer, trained):
    """Return ``(group, start, stop, missed)`` of each run of parameters that are alike.

    Alike are those of one group that were trained in the same number of steps.

    Parameters
    ----------
    optimizer : Optimizer
    trained : list of bool
        For each parameter, in the order of memory.
    """
    owners = [group for group in optimizer.param_groups for _ in group["params"]]
    missed, runs, before = optimizer._missed, [], None
    for index, (_, window) in enumerate(optimizer.flat.windows):
        here = (id(owners[index]), missed[index]) if trained[index] else None
        if here and here == before:
            runs[-1][2] = window.stop  # the padding between stays zero
        elif here:
            runs.append([owners[index], window.start, window.stop, missed[index]])
        before = here
    return runs
