"""Values as YAML that every reader takes for the same values."""

import re
from typing import Any

import yaml


class _Dumper(yaml.CSafeDumper):
    """Quotes also what PyYAML reads as a string and others don't."""


# YAML 1.1 has them and PyYAML leaves them out, https://yaml.org/type/bool.html; Envoy reads them, through yaml-cpp.
_Dumper.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^[yYnN]$"), list("yYnN"))

# PyYAML wants a point in a float and a sign in its exponent, and knows no 0o10: https://github.com/yaml/pyyaml/issues/173
_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?((\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0[oOxX][0-9a-fA-F.pP+-]+)$"),
    list("-+.0123456789"),
)


def to_yaml(value: Any) -> str:
    """One document, with mappings in their own order."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
