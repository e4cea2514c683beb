"""Freeze: leaves parts of a model untrained, for a while or for good."""

import difflib

from firstlight.callback import Callback, Role


class Freeze(Callback):
    """Keep the parameters of some sub-modules as they are, until an epoch or to the end.

    For transfer learning: train a new head on a body that is already good, then both. Dropout
    and running statistics (BatchNorm) of a frozen module go on as in training. When the training
    ends, what was frozen here is trainable again.

    Parameters
    ----------
    modules : str or list of str
        Names of sub-modules, as ``module.named_modules()`` gives them; a text may hold several,
        separated by commas.
    until_epoch : int, optional
        The epoch (counted from 1) from whose start on they are trained; None never trains them.

    Raises
    ------
    ValueError
        No name; a name that the model does not have, or of a part without parameters.

    References
    ----------
    Howard and Ruder, "Universal Language Model Fine-tuning for Text Classification", 2018,
    section 3.3.

    Examples
    --------
    >>> from firstlight.callbacks import Freeze
    >>> freeze = Freeze("body.0,body.1", until_epoch=3)
    >>> freeze.modules
    ['body.0', 'body.1']
    """

    role = Role.EDITOR

    def __init__(self, modules: str | list[str], until_epoch: int | None = None):
        names = modules.split(",") if isinstance(modules, str) else modules
        self.modules = [name.strip() for name in names if name.strip()]
        if not self.modules:
            raise ValueError('Freeze: name the sub-modules to freeze, e.g. Freeze("body.0")')
        if until_epoch is not None and until_epoch < 1:
            raise ValueError(f"Freeze: expected until_epoch of 1 or more, got {until_epoch}")
        self.until_epoch = until_epoch
        self._frozen = []  # only these are unfrozen again, not what was frozen before

    def on_fit_start(self, trainer, module):
        """Freeze; after a restart only if the time is not over."""
        parameters = self._find(module)
        if self.until_epoch is None or trainer.epoch < self.until_epoch:
            self._frozen = [p for p in parameters if p.requires_grad]
            for parameter in self._frozen:
                parameter.requires_grad = False

    def on_train_epoch_start(self, trainer):
        """Unfreeze when the epoch has come."""
        if self.until_epoch is not None and trainer.epoch >= self.until_epoch:
            self._unfreeze()

    def on_fit_end(self):
        """Leave the module as trainable as it was."""
        self._unfreeze()

    def _unfreeze(self):
        for parameter in self._frozen:
            parameter.requires_grad = True
        self._frozen = []

    def _find(self, module):
        parts = {name: part for name, part in module.named_modules() if name}
        found = {}
        for name in self.modules:
            if name not in parts:
                close = difflib.get_close_matches(name, parts, n=1)
                raise ValueError(
                    f"Freeze: {type(module).__name__} has no module {name!r}; "
                    + (f"did you mean {close[0]!r}? " if close else "")
                    + f"there are: {', '.join(parts)}"
                )
            parameters = parts[name].parameters()
            if not parameters:
                raise ValueError(
                    f"Freeze: {name} ({type(parts[name]).__name__}) has no parameters to freeze; "
                    "leave it out"
                )
            found |= {id(parameter): parameter for parameter in parameters}
        return list(found.values())
