"""Turn what was written on the command line or in a config file into typed values."""

from firstlight.cli.errors import UsageError
from firstlight.cli.layers import shown
from firstlight.cli.signature import is_sequence, members
from firstlight.cli.words import BARE


def convert(argument, value):
    """Return a value as its argument's type.

    Text is read as that type: ``512,256`` is a list of numbers where one is wanted. A flag with
    no value switches on what can be true or false.

    Parameters
    ----------
    argument : Argument
    value : Value

    Raises
    ------
    UsageError
        Nothing of this type; the message names the argument and the type.
    """
    from jsonargparse import ArgumentError, ArgumentParser

    kinds, given = members(argument.type), value.given
    if given is BARE and bool in kinds:
        return True
    if given in ("none", "None") and type(None) in kinds:
        return None
    sequence = any(is_sequence(kind) for kind in kinds)
    if sequence and str not in kinds and given not in (None, BARE):
        given = _as_list(given)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument(f"--{argument.flag}", type=argument.type)
    try:
        if given is BARE:
            raise ValueError
        return parser.parse_object({argument.flag: given})[argument.flag]
    except (ArgumentError, ValueError, TypeError):
        where = f"{value.source}: {argument.flag}" if value.source else f"--{argument.flag}"
        example = " (such as 512,256)" if sequence and "int" in argument.kind else ""
        raise UsageError(
            f"{where}: expected {argument.kind}{example}, got {shown(value.given)}"
        ) from None


def _as_list(given):
    """Let ``512,256`` and a lone 512 be lists too."""
    if isinstance(given, str) and not given.lstrip().startswith(("[", "(")):
        return f"[{given}]"
    if isinstance(given, (int, float)):
        return [given]
    return given
