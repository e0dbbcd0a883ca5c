"""Input and output of `xds migrate`."""
