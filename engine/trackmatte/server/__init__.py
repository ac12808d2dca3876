"""The engine behind a loopback socket, for hosts and the web page; see docs/protocol.md."""
