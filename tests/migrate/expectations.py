"""The corpus of tests/migrate/corpus: manifests, and the expected report of each Ingress. README.md there describes the
files.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

CORPUS: Final = Path(__file__).parent / "corpus"
SUFFIX: Final = ".expected.yaml"


@dataclass(frozen=True, slots=True)
class Request:
    """A request, and the answer by the specification.

    Attributes:
        https: Whether the request is sent over TLS, with the host as SNI.
        body: Bytes of the body; None: no body.
        certificate: Whether the client shows a certificate of the CA in the Secret `badges/clients`.
        backend: The Service that answers; empty: any, or the proxy.
        answer: Headers of the answer; an empty value for a header that is not there.
        seen: Headers of the backend's request, and its `path`; an empty value for a header that is not there.
    """

    host: str
    path: str
    status: int
    https: bool = False
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: int | None = None
    certificate: bool = False
    backend: str = ""
    answer: Mapping[str, str] = field(default_factory=dict)
    seen: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {'https' if self.https else 'http'}://{self.host}{self.path}"


@dataclass(frozen=True, slots=True)
class Expected:
    """The expected report of an Ingress.

    Attributes:
        source: The repository and the path of the Ingress that combines the same annotations.
        reported: False: an Ingress of another class, which the report leaves out.
        alone: Whether the Ingress changes answers of other hosts, so that it has no place beside the others.
        why: The part and section of the specification where the tables of verdicts are not enough.
    """

    source: str
    reported: bool = True
    alone: bool = False
    verdict: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    surprises: tuple[str, ...] = ()
    why: str = ""
    requests: tuple[Request, ...] = ()


def manifests() -> list[Path]:
    return [file for file in sorted(CORPUS.glob("*.yaml")) if not file.name.endswith(SUFFIX)]


def expectations() -> dict[str, Expected]:
    """By namespace/name."""
    found: dict[str, Expected] = {}
    for file in manifests():
        read: dict[str, Any] = yaml.load(file.with_name(file.stem + SUFFIX).read_text(), yaml.CSafeLoader)
        assert not found.keys() & read.keys(), file
        found |= {key: _expected(**values) for key, values in read.items()}
    return found


def _expected(*, surprises: list[str] = [], requests: list[dict[str, Any]] = [], **values: Any) -> Expected:  # noqa: B006
    return Expected(surprises=tuple(surprises), requests=tuple(Request(**each) for each in requests), **values)


def put(folder: Path) -> Path:
    """Copies of the manifests in a folder without other files."""
    folder.mkdir()
    for file in manifests():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder
