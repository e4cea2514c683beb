"""Tools around the engine, which never imports them: the command line, figures, reports, sweeps."""
