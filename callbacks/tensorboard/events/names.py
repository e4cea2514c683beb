"""What TensorBoard calls what was logged, and the settings of a run."""

STAGES = ("train", "val", "test")


def tag(name):
    """Return the tag of a logged name: ``val_loss`` -> ``loss/val``."""
    stage, _, metric = name.partition("_")
    if stage not in STAGES or not metric:
        return name
    if stage == "train" and metric.endswith("_step"):
        stage, metric = "train_step", metric.removesuffix("_step")
    return f"{metric}/{stage}"


def flatten(settings, prefix=""):
    """Return nested settings as a flat dict of bool, float and str, as the HPARAMS tab wants it.

    Examples
    --------
    >>> from firstlight.callbacks.tensorboard.events import flatten
    >>> flatten({"model": {"hidden": [512, 256], "bias": True}, "seed": 1, "name": None})
    {'model.hidden': '512,256', 'model.bias': True, 'seed': 1.0}
    """
    flat = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{name}.")
        elif isinstance(value, (list, tuple)):
            flat[prefix + name] = ",".join(map(str, value))
        elif isinstance(value, bool):
            flat[prefix + name] = value
        elif isinstance(value, (int, float)):
            flat[prefix + name] = float(value)
        elif value is not None:
            flat[prefix + name] = " ".join(str(value).split())
    return flat
