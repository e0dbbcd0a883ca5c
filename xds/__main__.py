"""The start of the process. `python -m xds` is `xds`."""

import os
import signal
import sys
from typing import Final, NoReturn

STOPPING: Final = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)

INTERRUPTED: Final = 130
"""The shell's exit code for a process that SIGINT ended."""

OTHERS: Final = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def main() -> NoReturn:
    if sys.argv[1:2] == ["serve"]:
        _handle_signals()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {*STOPPING, *OTHERS})
    try:
        from xds.cli.main import main as run  # noqa: PLC0415  # takes a while
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    run()


def _handle_signals() -> None:
    """Exit with 0 even during the imports.

    In a container, the kernel drops signals of process 1 without a handler, unless they are blocked. The image starts
    `xds` with blocked signals.
    """
    for number in STOPPING:
        signal.signal(number, lambda *_: os._exit(0))
    for number in OTHERS:
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    main()
