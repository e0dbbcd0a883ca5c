"""Certificate authorities, their certificates, and files that change as Kubernetes changes them."""

import datetime
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from xds.bootstrap.client_tls import ClientTls
from xds.server.tls import TlsFiles

DAY = datetime.timedelta(days=1)
SERVER_NAME = "control-plane.example"
CERTIFICATE, PRIVATE_KEY, AUTHORITY = "tls.crt", "tls.key", "ca.crt"


@dataclass(frozen=True, slots=True)
class Issued:
    """The content of a Secret of type kubernetes.io/tls, as cert-manager writes it. All in PEM."""

    certificate: bytes
    private_key: bytes
    authority: bytes

    @property
    def serial(self) -> str:
        return serial(self.certificate)

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """Credentials of a client; without a certificate if there is none."""
        return grpc.ssl_channel_credentials(self.authority, self.private_key or None, self.certificate or None)


def serial(pem: bytes) -> str:
    """Of the first certificate, in lower case and without leading zeros."""
    return f"{x509.load_pem_x509_certificate(pem).serial_number:x}"


class Authority:
    """A CA made on the spot, self-signed or signed `by` another one. Its certificates are valid for a day."""

    def __init__(self, name: str = "ca", ends: datetime.timedelta = DAY, by: "Authority | None" = None) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        signer = by or self
        certificate = _builder(self._name, signer._name, self._key, ends=ends).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.pem = certificate.sign(signer._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def issue(
        self,
        *names: str,
        common_name: str = "",
        server_only: bool = False,
        begins: datetime.timedelta = -DAY,
        ends: datetime.timedelta = DAY,
    ) -> Issued:
        """Issue a certificate. Names with `://` become URI names, other names DNS names."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(common_name), self._name, key, begins, ends)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(list(map(_general, names))), critical=False)
        if server_only:
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
            builder = builder.add_extension(usage, critical=False)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        signed = builder.sign(self._key, hashes.SHA256())
        return Issued(signed.public_bytes(Encoding.PEM), private, self.pem)


class SecretMount:
    """A folder as the kubelet mounts a Secret: the files are links through `..data`, which is swapped.

    https://github.com/kubernetes/kubernetes/blob/master/pkg/volume/util/atomic_writer.go
    """

    def __init__(self, folder: Path, issued: Issued) -> None:
        self.folder = folder
        self._versions = itertools.count()
        folder.mkdir()
        self.put(issued)
        for name in (CERTIFICATE, PRIVATE_KEY, AUTHORITY):
            (folder / name).symlink_to(f"..data/{name}")

    def put(self, issued: Issued) -> None:
        version = self.folder / f"..{next(self._versions)}"
        version.mkdir()
        (version / CERTIFICATE).write_bytes(issued.certificate)
        (version / PRIVATE_KEY).write_bytes(issued.private_key)
        (version / AUTHORITY).write_bytes(issued.authority)
        (self.folder / "..data_tmp").symlink_to(version.name)
        (self.folder / "..data_tmp").rename(self.folder / "..data")

    @property
    def server(self) -> TlsFiles:
        return TlsFiles(self.folder / CERTIFICATE, self.folder / PRIVATE_KEY, self.folder / AUTHORITY)

    def client(self, server_name: str = SERVER_NAME) -> ClientTls:
        files = self.server
        return ClientTls(files.client_ca, files.certificate, files.private_key, server_name)

    @property
    def server_flags(self) -> list[str]:
        files = self.server
        return [
            *("--tls-cert", str(files.certificate), "--tls-key", str(files.private_key)),
            *("--tls-client-ca", str(files.client_ca)),
        ]

    @property
    def client_flags(self) -> list[str]:
        files = self.server
        return [
            *("--tls-ca", str(files.client_ca), "--tls-cert", str(files.certificate)),
            *("--tls-key", str(files.private_key), "--tls-server-name", SERVER_NAME),
        ]


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])


def _general(name: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(name) if "://" in name else x509.DNSName(name)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: Any,
    begins: datetime.timedelta = -DAY,
    ends: datetime.timedelta = DAY,
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    serial = x509.random_serial_number()
    return x509.CertificateBuilder(issuer, subject, key.public_key(), serial, now + begins, now + ends)
