"""Parts of every server process: the admin port, signals, and why an address can't be bound."""
