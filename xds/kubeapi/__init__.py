"""The HTTP client of the API server, shared by sources and reporting."""
