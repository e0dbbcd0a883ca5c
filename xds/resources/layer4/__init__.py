"""Layer 4: ports of TCP and UDP, and the connections that are passed on undecrypted."""
