"""The schema: built from envoy-data-plane's classes, copied to disk, and named in `xds.envoyapi.messages`.

Covers: a copy that is absent, broken or impossible to write. Excludes: the encoding of every field (test_codec_bytes).
"""

import ast
import dataclasses
import importlib
import json
import os
import subprocess
import sys
import typing
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import betterproto2
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from xds.envoyapi import codec, schema
from xds.envoyapi import messages as envoy
from xds.envoyapi.constructor import constructor

REPOSITORY = Path(__file__).parents[2]

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # pydantic's, of how betterproto2 writes validators
    descriptors = importlib.import_module("xds.envoyapi.descriptors")


def built(full_name: str) -> type[Message]:
    """A class of a message that no root leads to."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        files = descriptors.build([full_name]).files
    pool = DescriptorPool()
    for file in files:
        pool.AddSerializedFile(file)
    return GetMessageClass(pool.FindMessageTypeByName(full_name))


# Only protoc-gen-validate's messages have a field named like a Python keyword, and a Timestamp.


def test_a_field_called_like_a_keyword_takes_an_underscore() -> None:
    rules = built("validate.DurationRules")
    assert rules.DESCRIPTOR.fields_by_name["in"].number == 7
    second = timedelta(seconds=1)
    assert constructor(rules)({"in_": [second]}) == rules(**{"in": [second]})
    with pytest.raises(TypeError, match=r"^validate\.DurationRules\.in: "):
        constructor(rules)({"in_": [1]})


def test_a_timestamp_field_takes_a_datetime() -> None:
    rules = built("validate.TimestampRules")
    message = constructor(rules)({"const": datetime(2026, 3, 1, tzinfo=UTC)})
    assert MessageToDict(message) == {"const": "2026-03-01T00:00:00Z"}


def test_the_copy_on_disk_equals_the_built_schema() -> None:
    """A change of `descriptors` needs another `schema._FORMAT_VERSION`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert descriptors.build(schema.ROOTS) == schema.load()


@dataclasses.dataclass(eq=False, repr=False)
class Retries(betterproto2.Message):
    number: int | None = betterproto2.field(1, betterproto2.TYPE_UINT32, optional=True)


def test_an_optional_scalar_has_a_oneof_of_its_own() -> None:
    """No message of envoy-data-plane 2.2 has one."""
    proto = descriptors._message("example.Retries", Retries)
    assert proto.field[0].proto3_optional
    assert proto.oneof_decl[proto.field[0].oneof_index].name == "_number"


# The copy on disk, seen by a process of its own.

USE = """
import json, sys
import xds.envoyapi.messages as envoy
from xds.envoyapi import codec, pool
idle = pool.pool.cache_info().currsize == 0 and pool.loaded_schema.cache_info().currsize == 0
cluster = envoy.Cluster(name="web", type=envoy.ClusterDiscoveryType.EDS)
slow = sorted({name.partition(".")[0] for name in sys.modules} & {"envoy_data_plane", "betterproto2", "pydantic"})
print(json.dumps({"idle_after_import": idle, "cluster": codec.to_dict(cluster), "imported": slow}))
"""
SLOW = ["betterproto2", "envoy_data_plane", "pydantic"]


def use(cache: Path) -> dict[str, typing.Any]:
    """The output of a process that uses the codec, with warnings as errors and nothing on stderr."""
    command = [sys.executable, "-W", "error", "-c", USE]
    env = os.environ | {"XDG_CACHE_HOME": str(cache)}
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True, env=env)
    assert not result.stderr
    return typing.cast("dict[str, typing.Any]", json.loads(result.stdout))


EXPECTED = {"idle_after_import": True, "cluster": {"name": "web", "type": "EDS"}}


def test_the_second_process_does_not_import_envoy_data_plane(tmp_path: Path) -> None:
    assert use(tmp_path) == EXPECTED | {"imported": SLOW}
    assert use(tmp_path) == EXPECTED | {"imported": []}
    assert len(list((tmp_path / "xds-ingress").iterdir())) == 1


@pytest.mark.parametrize("damage", ["empty", "short", "one bit", "other bytes"])
def test_a_broken_copy_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = schema.load()
    [copy] = (tmp_path / "xds-ingress").iterdir()
    whole = copy.read_bytes()
    flipped = whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:]
    copy.write_bytes({"empty": b"", "short": whole[:1000], "one bit": flipped, "other bytes": b"{}" * 9}[damage])
    assert schema.load() == made
    assert copy.read_bytes() == whole


def test_a_file_in_place_of_the_cache_directory_is_tolerated(tmp_path: Path) -> None:
    """Stands for a read-only directory, which root could write nevertheless."""
    (tmp_path / "xds-ingress").touch()
    assert use(tmp_path) == EXPECTED | {"imported": SLOW}
    assert use(tmp_path) == EXPECTED | {"imported": SLOW}


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def write_half(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_half)
    schema.load()
    assert not list((tmp_path / "xds-ingress").iterdir())


# Names.


def names_for_mypy() -> dict[str, type]:
    """The types in `xds.envoyapi.messages` under TYPE_CHECKING."""
    tree = ast.parse(Path(envoy.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    space: dict[str, typing.Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        exec(compile(ast.Module(body=block.body, type_ignores=[]), envoy.__file__, "exec"), space)
    return {name: value for name, value in space.items() if isinstance(value, type)}


FOR_MYPY = names_for_mypy()
URLS = importlib.import_module("envoy_data_plane.message_pool").default_message_pool.type_to_url


def test_names_are_the_same_messages_for_mypy_and_at_run_time() -> None:
    reachable = schema.load().names
    for name, cls in FOR_MYPY.items():
        if cls in URLS and cls.__name__ in reachable:
            assert codec.type_url(getattr(envoy, name)) == URLS[cls]


def test_the_error_for_an_unreachable_type_names_the_roots() -> None:
    assert "DogStatsdSink" in FOR_MYPY
    with pytest.raises(LookupError, match=r"^DogStatsdSink is not reachable from xds\.envoyapi\.schema\.ROOTS$"):
        envoy.DogStatsdSink()


def imports_from_envoy() -> Iterator[tuple[str, str]]:
    for path in sorted((REPOSITORY / "xds").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "xds.envoyapi.messages":
                yield from ((path.name, alias.name) for alias in node.names)


def test_every_name_used_in_the_package_is_reachable() -> None:
    for path, name in imports_from_envoy():
        assert getattr(envoy, name).resolved, f"{path} imports {name}"


def test_a_misspelt_name_is_an_error() -> None:
    with pytest.raises(AttributeError):
        envoy.cluster  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(LookupError, match="ROOTS"):
        envoy.Clutser()  # type: ignore[attr-defined]


def test_names_are_usable_in_annotations_that_are_evaluated() -> None:
    def function(one: envoy.Cluster | None, many: list[envoy.Cluster]) -> envoy.Cluster | None:
        return one or many[0]

    assert function(envoy.Cluster(name="a"), []) == envoy.Cluster(name="a")
