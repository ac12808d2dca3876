"""Trackmatte in Nuke."""
