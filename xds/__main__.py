"""`python -m xds` is `xds`."""

from xds.cli.main import main

main()
