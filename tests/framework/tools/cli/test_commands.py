"""The registry of commands: firstlight's own, those of plugins, and how they declare options."""

import io
import re
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from firstlight import plugins
from firstlight.tools.cli import text
from firstlight.tools.cli.command import Command, Switch, at_least_one, option
from firstlight.tools.cli.commands import register_commands
from firstlight.tools.cli.registry import find

OWN = plugins.Registry("command")
register_commands(OWN)


class Archive(Command):
    """Archive runs. They are kept."""

    options = (
        option("--level N", "of compression", 3, type=at_least_one),
        option("--to PLACE", "where; may be repeated", []),
        option("-f, --force", "overwrite", False),
        option("--check", "read it again", True, action=Switch),
        option("runs", "which", nargs="*"),
    )

    def run(self, args):
        print(args.level, args.to, args.force, args.check, args.runs)
        return 5


@pytest.fixture
def installed(monkeypatch):
    """A registry with the commands of plugins, as if some were installed."""
    registry = plugins.Registry("command")
    monkeypatch.setattr(plugins, "others_installed", lambda: True)
    monkeypatch.setattr(plugins, "registry", lambda kind: registry)
    return registry


@pytest.mark.parametrize("name", OWN.summaries)
def test_every_command_has_a_class_with_a_help(name):
    command, found, rest = find([*name.split(), "more"])
    assert (found, rest) == (name, ["more"])
    assert issubclass(command, Command)
    assert command.__doc__
    assert OWN.summaries[name]


def test_the_entry_point_is_where_the_commands_are():
    with open(Path(__file__).parents[4] / "pyproject.toml", "rb") as file:
        points = tomllib.load(file)["project"]["entry-points"]["firstlight"]
    assert import_module(points["firstlight_commands"]).register_commands is register_commands


def test_commands_of_plugins_run_and_are_listed(cli, installed):
    installed.add("archive", Archive)
    assert "\n  archive      Archive runs. They are kept.\n" in cli("--help")[1]
    words = ("archive", "a", "--to", "x", "b", "--to=y", "--check", "c", "-f", "--level", 9)
    assert cli(*words) == (5, "9 ['x', 'y'] True True ['a', 'b', 'c']\n", "")
    assert cli("archive", "--check", "false") == (5, "3 [] False False []\n", "")
    code, out, _ = cli("archive", "--help")
    assert (code, out.startswith("usage: firstlight archive [-h]")) == (0, True)
    assert "of compression (default: 3)" in out


def test_commands_of_plugins_refuse_wrong_options(refused, installed):
    installed.add("archive", Archive)
    assert refused("archive", "--level", 0) == (
        "firstlight archive: argument --level: expected 1 or more, got 0"
    )
    assert "invalid int value: 'high'" in refused("archive", "--level", "high")
    assert "unrecognized arguments: --other=1" in refused("archive", "--other", 1)


def test_a_plugin_may_add_to_a_group(cli, refused, installed):
    installed.add("runs archive", Archive, "keep runs elsewhere")
    assert "\n  archive   keep runs elsewhere\n" in cli("runs")[1]
    assert cli("runs", "archive", "a") == (5, "3 [] False True ['a']\n", "")
    assert refused("runs", "archve") == (
        "firstlight runs: unknown command runs archve; did you mean archive?"
    )


def test_a_command_may_be_named_by_where_it_is(cli, installed):
    installed.add("again", "firstlight.tools.cli.commands.plugins:Models", "list models again")
    assert cli("again") == cli("models")


def test_a_command_that_cannot_be_imported_hides_no_other(cli, refused, installed):
    installed.add("lost", "no_such_module:Lost")
    installed.add("archive", Archive)
    out = cli("--help")[1]
    assert "\n  lost         cannot be used: object 'no_such_module:Lost' cannot be " in out
    assert "\n  archive      Archive runs." in out
    assert refused("archiv").endswith("unknown command archiv; did you mean archive?")


def test_what_is_no_command_is_refused(cli, installed):
    installed.add("strange", dict, "nothing")
    code, _, err = cli("strange")
    assert code == 1
    assert "command strange: expected a subclass of firstlight.tools.cli.command.Command" in err


def test_a_name_that_is_taken_is_left_out():
    registry = plugins.Registry("command")
    register_commands(registry)
    with pytest.warns(plugins.PluginWarning, match="command 'fit' is left out: .*choose another"):
        registry.add("fit", Archive)
    assert registry.get("fit") is not Archive


# --- tables ---------------------------------------------------------------------------------------

ROWS = [("name", "loss"), ("first", "0.5"), ("second [red]x", "12.25")]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_table_is_plain_where_the_output_is_no_terminal(capsys):
    text.tell(text.table(ROWS, indent="  ", right=(1,), head=True))
    assert capsys.readouterr().out == (
        "  name            loss\n  first            0.5\n  second [red]x  12.25\n"
    )


def terminal(monkeypatch):
    """Make standard output a terminal of 50 columns, and return it."""
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return sys.stdout


def test_a_table_on_a_terminal_has_bold_titles_and_folds_long_texts(monkeypatch):
    output = terminal(monkeypatch)
    rows = [(*row, "") for row in ROWS]
    rows.append(("2026-11-29_0001", "1", "a note that is \x1b[2J longer than the terminal is wide"))
    text.tell(text.table(rows, right=(1,), head=True))
    written = output.getvalue()
    assert "\x1b[1mname" in written
    assert "\x1b[2J" not in written
    assert "second [red]x" in written  # no markup of rich
    plain = re.sub(r"\x1b\[[01]m", "", written).splitlines()
    assert plain[1].split() == ["first", "0.5"]
    assert max(map(len, plain)) <= 50
    assert "2026-11-29_0001" in written
    assert {"note", "wide"} <= set(written.split())  # on several lines


def test_a_table_too_wide_for_a_terminal_keeps_its_numbers_whole(monkeypatch):
    output = terminal(monkeypatch)
    text.tell(text.table([["a run of many metrics", *(f"{i}.12345" for i in range(9))]]))
    assert output.getvalue().split()[-9:] == [f"{i}.12345" for i in range(9)]
