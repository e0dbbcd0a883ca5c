"""A stand-in for kubectl that can be as bad as the real one at its worst, see `Mode`: `get` answers from a file, and
`port-forward` relays to a port of this machine. tests/cluster/test_kubectl_xds.py has the real one.

The file is standalone: a test starts it as the program `kubectl`.
"""

import json
import os
import shlex
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = "KUBECTL_STAND_IN"
"""The environment variable with the folder of the stand-in."""


class Mode:
    GOOD = "good"
    LATE = "late"
    """Prints the port after half a second, behind another line."""
    EXITS = "exits"
    """Ends with an error instead of a port."""
    HANGS = "hangs"
    """Prints nothing, and ignores SIGTERM."""
    BREAKS = "breaks"
    """Ends at the first connection, as when the Pod goes."""
    REFUSED = "refused"
    """Says that nothing listens in the Pod, and closes each connection."""


@dataclass
class StandIn:
    """The test's side: the folder with answers, calls and the process id of `port-forward`."""

    folder: Path

    def install(self, target: str, *, mode: str = Mode.GOOD, **answers: Any) -> dict[str, str]:
        """Environment variables with the stand-in as kubectl.

        Args:
            answers: By resource: the object in JSON, or the text of an error.
        """
        program = self.folder / "bin" / "kubectl"
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(__file__)} "$@"\n')
        program.chmod(0o755)
        self.folder.joinpath("config").write_text(json.dumps({"target": target, "mode": mode, "answers": answers}))
        return {"PATH": f"{program.parent}:{os.environ['PATH']}", FOLDER: str(self.folder)}

    def calls(self) -> list[list[str]]:
        file = self.folder / "calls"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def forwards(self) -> bool:
        """Whether a `port-forward` still runs."""
        try:
            os.kill(int((self.folder / "pid").read_text()), 0)
        except (FileNotFoundError, ProcessLookupError):
            return False
        return True


def main() -> None:
    folder, arguments = Path(os.environ[FOLDER]), sys.argv[1:]
    with folder.joinpath("calls").open("a") as calls:
        calls.write(json.dumps(arguments) + "\n")
    config = json.loads(folder.joinpath("config").read_text())
    if "get" in arguments:
        answer = config["answers"].get(arguments[arguments.index("get") + 1])
        if isinstance(answer, str):
            print(answer, file=sys.stderr)
            sys.exit(1)
        if answer:
            print(json.dumps(answer))
        return
    folder.joinpath("pid").write_text(str(os.getpid()))
    forward(config["target"], config["mode"])


def forward(target: str, mode: str) -> None:
    if mode == Mode.EXITS:
        print("error: unable to forward port because pod is not running. Current status=Pending", file=sys.stderr)
        sys.exit(1)
    if mode == Mode.HANGS:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    if mode == Mode.LATE:
        print("Some other line", flush=True)
        time.sleep(0.5)
    listening = socket.create_server(("127.0.0.1", 0))
    print(f"Forwarding from 127.0.0.1:{listening.getsockname()[1]} -> 18000", flush=True)
    while True:
        connection, _ = listening.accept()
        print(f"Handling connection for {listening.getsockname()[1]}", flush=True)
        if mode == Mode.BREAKS:
            print("error: lost connection to pod", file=sys.stderr, flush=True)
            sys.exit(1)
        if mode == Mode.REFUSED:
            text = "E1129 portforward.go:424] an error occurred forwarding 40000 -> 18000: connect: connection refused"
            print(text, file=sys.stderr, flush=True)
            connection.close()
            continue
        relay(connection, target)


def relay(connection: socket.socket, target: str) -> None:
    host, _, port = target.rpartition(":")
    other = socket.create_connection((host, int(port)))
    for source, sink in ((connection, other), (other, connection)):
        threading.Thread(target=copy, args=(source, sink), daemon=True).start()


def copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        sink.close()


if __name__ == "__main__":
    main()
