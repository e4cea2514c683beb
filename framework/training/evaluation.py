"""Evaluation: one pass over data without learning."""

from itertools import islice

from firstlight.distributed.sharding import shards, weight_of
from firstlight.support.arguments import batch_limit
from firstlight.support.batches import placed
from firstlight.training import checks
from firstlight.training.metrics import MeanMetrics


def evaluate(trainer, loader, stage, *, may_stop=False):
    """Return the means of loss and metrics over all that counts, e.g. ``{"val_loss": 0.1}``.

    Batches weigh by what their values are divided by, see `StepOutput.denominators`; where a step
    does not tell, by the data set's ``weight``, or else by their samples. A data set may have
    metrics of its own; see `firstlight.data.dataset`.

    Parameters
    ----------
    trainer : Trainer
        Whose module is evaluated, and whose callbacks are called.
    loader : iterable of batches
    stage : {"val", "test"}
        Prefix of the names.
    may_stop : bool
        Return None when the trainer is interrupted meanwhile.

    Raises
    ------
    ValueError
        Nothing counts in any batch.
    """
    module, hook, means = trainer.module, trainer.hooks.hook, MeanMetrics()
    place = loader.state_dict() if hasattr(loader, "state_dict") else None
    data = getattr(loader, "data", None)
    module.eval()
    hook.on_validation_start(trainer=trainer, module=module, stage=stage)
    for index, batch in enumerate(limited_batches(trainer, loader, stage)):
        if may_stop and trainer.interrupted:
            if place is not None:
                loader.load_state_dict(place)  # the next one is this one again
            module.train()
            return None
        weight = weight_of(batch)
        if weight == 0:  # fewer samples than ranks
            continue
        output = module.validation_step(batch)
        checks.step_output(module, output, "validation_step")
        values = {"loss": output.loss, **output.metrics}
        if hasattr(data, "metrics"):
            own = data.metrics(output.prediction, batch)
            checks.metrics(f"{type(data).__name__}.metrics", own)
            values |= own
        weight = data.weight(batch) if hasattr(data, "weight") else weight
        if weight:
            means.add(values, weight, output.denominators)
        hook.on_validation_batch_end(
            trainer=trainer,
            module=module,
            output=output,
            batch=batch,
            batch_idx=index,
            stage=stage,
        )
    means = means.over(trainer.communicator)
    if means.is_void("loss"):
        raise ValueError(checks.nothing_counts(f"the {stage} data"))
    metrics = {f"{stage}_{name}": value for name, value in means.compute().items()}
    hook.on_validation_end(trainer=trainer, module=module, stage=stage, metrics=metrics)
    return metrics


def limited_batches(trainer, loader, stage):
    """Yield the loader's batches, as many as the trainer's limit allows, on its device.

    Of several ranks each gets its share.
    """
    count = batch_limit(f"limit_{stage}_batches", trainer.limits[stage], len(loader))
    for batch in islice(shards(loader, trainer.communicator), count):
        yield placed(batch, trainer.device, trainer.dtype)
