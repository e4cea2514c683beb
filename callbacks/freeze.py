"""Freeze: leave parts of a model untrained, until an epoch or to the end."""

from firstlight.callback import Callback, Role
from firstlight.module import Module
from firstlight.parameter import Parameter
from firstlight.support.arguments import parse_choice, parse_count
from firstlight.trainer import Trainer


class Freeze(Callback):
    """Keep the parameters of some sub-modules constant, until an epoch or to the end.

    For transfer learning: train a new head on a trained body first, then both. Dropout and running
    statistics (BatchNorm) of a frozen module work as in training. When the training ends, these
    parameters are trainable again.

    Parameters
    ----------
    modules : str or list of str
        Names of sub-modules, as ``module.named_modules()`` gives them; a text may hold several,
        separated by commas.
    until_epoch : int, optional
        The first epoch (counted from 1) that trains them; None never does.

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

    def __init__(self, modules: str | list[str], until_epoch: int | None = None) -> None:
        names = modules.split(",") if isinstance(modules, str) else modules
        self.modules: list[str] = [name.strip() for name in names if name.strip()]
        if not self.modules:
            raise ValueError('Freeze: name the sub-modules to freeze, e.g. Freeze("body.0")')
        self.until_epoch: int | None = parse_count(
            "Freeze: until_epoch", until_epoch, optional=True
        )
        self._frozen = []  # only these are unfrozen again, not parameters frozen earlier

    def on_fit_start(self, trainer: Trainer, module: Module) -> None:
        """Freeze, unless a resumed training has reached the epoch."""
        parameters = self._find(module)
        if self.until_epoch is None or trainer.epoch < self.until_epoch:
            self._frozen = [p for p in parameters if p.requires_grad]
            for parameter in self._frozen:
                parameter.requires_grad = False

    def on_train_epoch_start(self, trainer: Trainer) -> None:
        """Unfreeze at the epoch."""
        if self.until_epoch is not None and trainer.epoch >= self.until_epoch:
            self._unfreeze()

    def on_fit_end(self) -> None:
        """Leave the module as trainable as it was."""
        self._unfreeze()

    def _unfreeze(self) -> None:
        for parameter in self._frozen:
            parameter.requires_grad = True
        self._frozen = []

    def _find(self, module: Module) -> list[Parameter]:
        parts = {name: part for name, part in module.named_modules() if name}
        found = {}
        for name in self.modules:
            parameters = parts[parse_choice("Freeze: modules", name, parts)].parameters()
            if not parameters:
                raise ValueError(
                    f"Freeze: {name} ({type(parts[name]).__name__}) has no parameters to freeze; "
                    "leave it out"
                )
            found |= {id(parameter): parameter for parameter in parameters}
        return list(found.values())
