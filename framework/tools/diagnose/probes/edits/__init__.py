"""Edits: small changes of a piece of source, of which one may be what was meant."""
