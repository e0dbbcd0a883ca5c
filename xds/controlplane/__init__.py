"""One process of `xds serve`: the pipeline, the wiring, and the settings."""
