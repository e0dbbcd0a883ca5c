"""Every kind of bad object."""

import functools

from tests.support.matrix.case import Case, Target
from tests.support.matrix.certificates import certificates
from tests.support.matrix.endpoints import endpoints
from tests.support.matrix.routes import routes


@functools.cache
def cases(at: Target) -> dict[str, Case]:
    return {case.name: case for case in (*certificates(), *routes(), *endpoints(at))}


NAMES = tuple(cases(Target("192.0.2.1", 1)))
