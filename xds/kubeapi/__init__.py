"""The HTTP client that sources and reporting share."""
