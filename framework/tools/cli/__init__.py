"""The command line: ``firstlight fit`` and its companions.

Reading a command takes two phases. First the names: which model, data set and callbacks
(`firstlight.tools.cli.names`). Then jsonargparse reads the typed arguments of exactly these
(`firstlight.tools.cli.arguments`), so that every message speaks of one argument and its type.
"""
