"""Track a subject through a clip and pull a soft alpha matte for every frame."""

__version__ = "0.1.0"
