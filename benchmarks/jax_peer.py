"""JAX's loop for `step.py`: one jitted function a step, Optax's optimizer, donated state."""

import os

from turns import BATCHES

DECAY = {"AdamW": {"weight_decay": 0.01}}  # PyTorch's default and ours; Optax's is 1e-4


def jax(work, batch, size, peer, folder, turns):
    threads = int(os.environ["OMP_NUM_THREADS"])
    if threads < os.cpu_count():  # XLA makes as many threads as the process may use processors
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    import jax
    import optax

    parameters, loss_function = work.jax(batch, **size)
    name, settings = work.OPTIMIZER
    optimizer = getattr(optax, name.lower())(settings["lr"], **DECAY.get(name, {}))
    batches = [tuple(map(jax.numpy.asarray, pair)) for pair in work.batches(batch, BATCHES, **size)]

    def step(state, x, y):
        parameters, moments, key = state
        key, now = jax.random.split(key)
        loss, gradients = jax.value_and_grad(loss_function)(parameters, now, x, y)
        changes, moments = optimizer.update(gradients, moments, parameters)
        return (optax.apply_updates(parameters, changes), moments, key), loss

    step = jax.jit(step, donate_argnums=0)
    count = sum(leaf.size for leaf in jax.tree.leaves(parameters))
    state = [parameters, optimizer.init(parameters), jax.random.key(0)], None

    def advance(data):
        nonlocal state
        state = step(tuple(state[0]), *data)

    turns.serve(advance, batches, lambda: jax.block_until_ready(state))
    return count, float(step(state[0], *batches[0])[1])
