"""The findings of `xds lint`, and their forms."""
