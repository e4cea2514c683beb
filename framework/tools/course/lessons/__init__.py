"""Lessons that only the course has."""
