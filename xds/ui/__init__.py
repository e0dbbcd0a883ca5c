"""The page of `xds serve --ui`."""
