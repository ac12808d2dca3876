"""The panel: a plain widget that knows no Nuke."""

from .panel import Panel

__all__ = ["Panel"]
