"""YAML output that YAML 1.1 and 1.2 parsers read alike."""

import re
from typing import Any

import yaml


class _Dumper(yaml.CSafeDumper):
    """Quotes strings, too, that other parsers than PyYAML read as another type."""


# Booleans of YAML 1.1 that PyYAML leaves out and Envoy (yaml-cpp) reads: https://yaml.org/type/bool.html
_Dumper.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^[yYnN]$"), list("yYnN"))

# PyYAML needs a point in a float and a sign in its exponent, and has no 0o10: https://github.com/yaml/pyyaml/issues/173
_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?((\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0[oOxX][0-9a-fA-F.pP+-]+)$"),
    list("-+.0123456789"),
)


def to_yaml(value: Any) -> str:
    """One YAML document, with mappings in insertion order."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
