"""One process of `xds serve`: pipeline, wiring and settings."""
