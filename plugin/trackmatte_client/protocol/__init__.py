"""The protocol between the engine and its clients: all that the two share."""
