"""Helpers for all packages: devices, random numbers, files, a module's state."""
