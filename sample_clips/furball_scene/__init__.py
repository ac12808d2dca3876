"""Procedural scene for the *furball* sample clip: a furry animal hopping through a forest."""
