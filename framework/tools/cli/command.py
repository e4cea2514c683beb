"""The base class of every command of ``firstlight``, its options and their parser."""

import argparse
import inspect
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from firstlight.tools.cli.errors import HelpShown, UsageError
from firstlight.tools.cli.text import tell

TRUTH = {"true": True, "false": False}
Option = tuple[tuple[str, ...], dict[str, Any]]
Options = tuple[Option, ...]


class Args(argparse.Namespace):
    """The values of a command's options, by their names.

    Attributes
    ----------
    rest : list of str
        Words that belong to no declared option.
    """

    rest: list[str]


def option(spec: str, text: str | Callable[[], str], default: Any = None, **more: Any) -> Option:
    """Declare an option or a positional argument.

    Parameters
    ----------
    spec : str
        Its names and its value's, e.g. ``"--json"``, ``"-o, --output FILE"``, or ``"run"``.
    text : str or callable
        Its help, or a function that returns it; the default is added.
    default : object
        False declares a switch, [] an option that may be repeated; the type is that of a number.
    more : object
        Further arguments of `argparse.ArgumentParser.add_argument`.
    """
    *names, last = spec.split(", ")
    last, _, value = last.partition(" ")
    if default is False:
        more = {"action": "store_true"} | more
    elif default == []:
        more = {"action": "append"} | more
    elif type(default) in (int, float):
        more = {"type": type(default)} | more
    if default not in (None, False, []) and isinstance(text, str):
        text = f"{text} (default: {default})"
    if value:
        more["metavar"] = value
    return (*names, last), {"help": text, "default": default, **more}


def checked(kind: Callable, test: Callable[[Any], object], expected: str) -> Callable[[str], Any]:
    """Return a type for options: it converts by ``kind`` and refuses values that fail a test."""

    def convert(text: str) -> Any:
        value = kind(text)
        if not test(value):
            raise argparse.ArgumentTypeError(f"expected {expected}, got {value}")
        return value

    convert.__name__ = kind.__name__
    return convert


def file_name(*endings: str) -> Callable[[str], str]:
    """Return a type for options that take a file's name with one of some endings."""
    *first, last = endings
    ends = f"{', '.join(first)} or {last}" if first else last
    return checked(str, lambda name: name.endswith(endings), f"a name that ends in {ends}")


at_least_one: Callable[[str], int] = checked(int, lambda number: number >= 1, "1 or more")
JSON = option("--json", "print it as JSON", False)
RUNS_DIR = option("--runs_dir DIR", "folder that keeps all runs", "runs")
WHERE = (
    option("--where EXPRESSION", 'only runs for which it is true, e.g. "val_acc > 0.9"'),
    option("--sort NAME", "a metric or setting: smallest first, with a - before it largest first"),
)


class Switch(argparse.Action):
    """An option that may be followed by true or false; alone it means true."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, dest, nargs="?", choices=TRUTH, type=str.lower, **options)

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        setattr(namespace, self.dest, TRUTH[values])


class Parser(argparse.ArgumentParser):
    """Parser of one command's options; its errors are `UsageError`.

    ``--runs-dir`` and ``--runs_dir`` are one option, and a value may begin with a dash.
    """

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse words after `normalized` has been applied to them."""
        return super().parse_known_args(self.normalized(args), namespace)

    def normalized(self, words: Sequence[str]) -> list[str]:
        """Return words with the value of each option attached to it: ``--sort=-val_acc``.

        An option that is not declared here takes a value: it belongs to the model, the data, a
        callback or the Trainer, which are not known yet. What follows ``--`` stays as it is.

        Examples
        --------
        >>> from firstlight.tools.cli.command import Parser
        >>> parser = Parser("test", allow_abbrev=False)
        >>> parser.normalized(["--runs-dir", "out", "--data.seed", "-1", "--help", "runs/a"])
        ['--runs_dir=out', '--data.seed=-1', '--help', 'runs/a']
        """
        declared = {name.replace("-", "_"): name for name in self._option_string_actions}
        waiting, found = list(words), []
        while waiting:
            word = waiting.pop(0)
            if word == "--":
                return [*found, word, *waiting]
            if word.startswith("--"):
                flag, equals, value = word.partition("=")
                flag = declared.get(flag.replace("-", "_"), "--" + flag[2:].replace("-", "_"))
                action, after = self._option_string_actions.get(flag), waiting[:1]
                if not equals and isinstance(action, Switch):
                    known = bool(after) and after[0].lower() in TRUTH
                    equals, value = "=", waiting.pop(0) if known else "true"
                elif not equals and after and not after[0].startswith("--"):
                    takes_value = action is None or action.nargs != 0
                    equals, value = ("=", waiting.pop(0)) if takes_value else ("", "")
                word = flag + equals + value
            found.append(word)
        return found

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Raise instead of ending the process; argparse calls this after a help."""
        raise HelpShown

    def error(self, message: str) -> NoReturn:
        """Raise instead of ending the process."""
        raise UsageError(message)


class Command:
    """A command of ``firstlight``; plugins offer theirs with the hook ``register_commands``.

    A subclass declares its options and does its work in `run`.

    Attributes
    ----------
    options : sequence of `option`
        Added to those of the base classes.
    description : str
        The text of ``--help``; by default the docstring.
    usage : str
        Usage after the command's name in the help; made from the options if empty.
    epilog : str
        Shown below the options.
    typed : bool
        Whether options that are not declared belong to the model, data, callbacks and Trainer; they
        are left in ``args.rest`` for `firstlight.tools.cli.arguments.Arguments`.
    late_help : bool
        Whether `run` shows the help itself if ``args.help``, with the typed options.
    name, parser : str, Parser
        The name that the user typed, and the parser that has read the options.

    Examples
    --------
    >>> from firstlight.tools.cli.command import Command, option
    >>> class Greet(Command):
    ...     '''Greet somebody.'''
    ...
    ...     options = (option("--name NAME", "whom", "world"),)
    ...
    ...     def run(self, args):
    ...         print("hello", args.name)
    ...         return 0
    >>> Greet()("greet", ["--name", "Ada"])
    hello Ada
    0
    """

    options: Options = ()
    description: str = ""
    usage: str = ""
    epilog: str = ""
    typed: bool = False
    late_help: bool = False
    name: str
    parser: Parser

    def run(self, args: Args) -> int:
        """Do the work; return the exit code: 0 done, 1 failed."""
        raise NotImplementedError(f"{type(self).__name__}.run(args) is missing")

    def make_parser(self, name: str) -> Parser:
        """Return the parser of all options, under the name that the user typed."""
        parser = Parser(
            f"firstlight {name}",
            usage=f"firstlight {name} {self.usage}" if self.usage else None,
            description=self.description or inspect.cleandoc(self.__doc__ or ""),
            epilog=self.epilog or None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            add_help=not self.late_help,
            allow_abbrev=False,
        )
        for kind in reversed(type(self).__mro__):
            for names, settings in vars(kind).get("options", ()):
                text = settings["help"]
                parser.add_argument(
                    *names, **settings | {"help": text() if callable(text) else text}
                )
        if self.late_help:
            text = "show this help with the options of the named parts, and stop"
            parser.add_argument("-h", "--help", action="store_true", help=text)
        return parser

    def show_help(self, typed: argparse.ArgumentParser) -> int:
        """Show the help of the declared options and of the typed ones."""
        tell(self.parser.format_help(), typed.format_help(), sep="\n", end="")
        return 0

    def __call__(self, name: str, words: list[str]) -> int:
        """Parse the words that follow the command's name, and run; return the exit code."""
        self.name, self.parser = name, self.make_parser(name)
        args, args.rest = self.parser.parse_known_intermixed_args(words, Args())
        if args.rest and not self.typed:
            self.parser.error(f"unrecognized arguments: {' '.join(args.rest)}")
        return self.run(args)
