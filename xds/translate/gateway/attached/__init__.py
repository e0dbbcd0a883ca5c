"""Routes at their listeners: attachment, hostnames, route tables and sockets."""
