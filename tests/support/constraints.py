"""Makes xds/envoyapi/constraints.json: the `validate` rules in Envoy's API of the messages in use.

envoy-data-plane, the source of every other fact about the messages, leaves these rules out. The wheel xds-protos has
the rules in its descriptors, and can't be installed beside this project, since it installs a package called `xds`; so
it is put into a folder of its own, and read by another process. The result is kept in the user's cache.
"""

import json
import os
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import platformdirs

from xds.envoyapi import schema
from xds.envoyapi.pool import message_class

WHEEL: Final = "xds-protos==1.85.0"
READER: Final = Path(__file__).with_name("validate_rules.py")

OUTDATED: Final = {("envoy.extensions.access_loggers.stats.v3.Config", "stat_prefix")}
"""Fields without the wheel's rule. Envoy 1.40 takes `stats_scope` in place of the prefix, and rejects both together."""


def text() -> str:
    """The content of the file: a line for each field with rules."""
    messages = {name: dict(_known(name, rules)) for name, rules in _rules().items()}
    blocks = ",\n".join(_block(name, rules) for name, rules in messages.items() if rules)
    return f'{{\n"source": "{WHEEL}",\n"messages": {{\n{blocks}\n}}\n}}\n'


def _block(name: str, rules: dict[str, Any]) -> str:
    lines = ",\n".join(f"  {json.dumps(field)}: {json.dumps(each)}" for field, each in rules.items())
    return f"{json.dumps(name)}: {{\n{lines}\n}}"


def _known(name: str, rules: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The rules, without fields that envoy-data-plane, being of another version, doesn't have."""
    try:
        descriptor = message_class(name).DESCRIPTOR
    except KeyError:
        return
    for field, each in rules.items():
        if (name, field) not in OUTDATED and field.removeprefix("oneof ") in {
            **descriptor.fields_by_name,
            **descriptor.oneofs_by_name,
        }:
            yield field, each


def _rules() -> dict[str, Any]:
    cache = platformdirs.user_cache_path("xds-ingress") / f"constraints-{WHEEL}-{_recipe():08x}.json"
    if not cache.exists():
        read = _read()
        cache.parent.mkdir(parents=True, exist_ok=True)
        partial = cache.with_suffix(f".{os.getpid()}")
        partial.write_text(read)
        partial.replace(cache)
    rules: dict[str, Any] = json.loads(cache.read_text())
    return rules


def _recipe() -> int:
    """The inputs of the result beside the wheel."""
    return zlib.crc32("\n".join(schema.ROOTS).encode() + READER.read_bytes())


def _read() -> str:
    with tempfile.TemporaryDirectory() as folder:
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target", folder]
        subprocess.run([sys.executable, *install, WHEEL], check=True)
        return subprocess.run(
            [sys.executable, "-P", READER, *schema.ROOTS],
            env={**os.environ, "PYTHONPATH": folder},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        ).stdout
