"""`python -m geocloud`: the same program as `geocloud`."""

from geocloud.cli.main import main

main()
