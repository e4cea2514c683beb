"""The command line: ``firstlight fit`` and its companions.

Reading a command takes two phases. First the names of model, data set and callbacks
(`firstlight.tools.cli.names`). Then jsonargparse reads the typed arguments of these
(`firstlight.tools.cli.arguments`), so that every message is about one argument and its type.
"""
