"""Envoy's side of mutual TLS with the control plane.

Envoy reads certificates in the bootstrap once, and follows changed files only for secrets that come by SDS. A file can
be the source of SDS: https://www.envoyproxy.io/docs/envoy/latest/configuration/security/secret#key-rotation
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xds.address import is_ip
from xds.bootstrap.client_tls import ClientTls
from xds.envoyapi import codec
from xds.envoyapi.messages import (
    ApiVersion,
    CertificateValidationContext,
    CommonTlsContext,
    ConfigSource,
    DataSource,
    DiscoveryResponse,
    PathConfigSource,
    SdsSecretConfig,
    Secret,
    StringMatcher,
    SubjectAltNameMatcher,
    SubjectAltNameMatcherSanType,
    TlsCertificate,
    TlsParameters,
    TlsParametersTlsProtocol,
    TransportSocket,
    UpstreamTlsContext,
    WatchedDirectory,
)
from xds.yaml_text import to_yaml

CERTIFICATE_NAME: Final = "xds-certificate"
CA_NAME: Final = "xds-ca"
"""Names of the Secrets, and of the SDS files without `.yaml`."""


@dataclass(frozen=True, slots=True)
class EnvoyTls:
    """Mutual TLS of an Envoy with the control plane.

    Attributes:
        files: Paths on Envoy's machine; `server_name` must not be empty.
        sds_dir: The folder of `sds_files` on Envoy's machine.
    """

    files: ClientTls
    sds_dir: Path


def transport_socket(tls: EnvoyTls) -> TransportSocket:
    """A transport socket for TLS 1.3 only, which hides the client's certificate from the network."""
    parameters = TlsParameters(
        tls_minimum_protocol_version=TlsParametersTlsProtocol.TLSv1_3,
        tls_maximum_protocol_version=TlsParametersTlsProtocol.TLSv1_3,
    )
    common = CommonTlsContext(
        tls_params=parameters,
        tls_certificate_sds_secret_configs=[_by_file(tls, CERTIFICATE_NAME)],
        validation_context_sds_secret_config=_by_file(tls, CA_NAME),
    )
    name = tls.files.server_name
    context = UpstreamTlsContext(common_tls_context=common, sni="" if is_ip(name) else name)
    return TransportSocket(name="envoy.transport_sockets.tls", typed_config=codec.pack(context))


def sds_files(tls: EnvoyTls) -> dict[str, str]:
    """The content of each file in `sds_dir`, by file name."""
    files = tls.files
    certificate = TlsCertificate(
        certificate_chain=DataSource(filename=str(files.certificate)),
        private_key=DataSource(filename=str(files.private_key)),
        watched_directory=WatchedDirectory(path=str(files.certificate.parent)),
    )
    validation = CertificateValidationContext(
        trusted_ca=DataSource(filename=str(files.ca)),
        watched_directory=WatchedDirectory(path=str(files.ca.parent)),
        match_typed_subject_alt_names=[_matcher(files.server_name)],
    )
    secrets = (
        Secret(name=CERTIFICATE_NAME, tls_certificate=certificate),
        Secret(name=CA_NAME, validation_context=validation),
    )
    return {_file_name(secret.name): _response(secret) for secret in secrets}


def _by_file(tls: EnvoyTls, name: str) -> SdsSecretConfig:
    source = PathConfigSource(path=str(tls.sds_dir / _file_name(name)))
    return SdsSecretConfig(
        name=name, sds_config=ConfigSource(path_config_source=source, resource_api_version=ApiVersion.V3)
    )


def _file_name(secret: str) -> str:
    return f"{secret}.yaml"


def _response(secret: Secret) -> str:
    return to_yaml(codec.to_dict(DiscoveryResponse(resources=[codec.pack(secret)])))


def _matcher(name: str) -> SubjectAltNameMatcher:
    kind = SubjectAltNameMatcherSanType.IP_ADDRESS if is_ip(name) else SubjectAltNameMatcherSanType.DNS
    return SubjectAltNameMatcher(san_type=kind, matcher=StringMatcher(exact=name))
