"""The OFX bridge: what hosts' OFX plugins ask of the engine, over a local socket with shared memory."""

from trackmatte.server.ofx.bridge import Bridge

__all__ = ["Bridge"]
