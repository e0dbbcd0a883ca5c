"""The certificates between control plane, fleet and operators: those of k8s/certificates.sh, those of cert-manager, and
the names that the manifests verify.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.support.manifests import (
    CONTROL_PLANE,
    FLEET,
    K8S,
    Object,
    arguments,
    containers,
    environment,
    needs_kubectl,
    overlay,
    pod_spec,
)

pytestmark = [
    needs_kubectl,
    pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl: apt-get install openssl"),
]

USES = ("server", "client", "operator")


@dataclass(frozen=True)
class Names:
    """An installation: fields of an overlay, and the flags of certificates.sh for it."""

    fields: dict[str, str]
    flags: tuple[str, ...]

    @property
    def namespace(self) -> str:
        return self.fields.get("namespace", "xds-ingress")

    def of(self, name: str) -> str:
        return f"{self.fields.get('namePrefix', '')}{name}{self.fields.get('nameSuffix', '')}"


INSTALLATIONS = {
    "default": Names({}, ()),
    "namespace": Names({"namespace": "edge"}, ("--namespace", "edge")),
    "prefix and suffix": Names(
        {"namespace": "edge", "namePrefix": "prod-", "nameSuffix": "-eu"},
        ("--namespace", "edge", "--name", "prod-xds-ingress", "--suffix", "-eu"),
    ),
}


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """The environment with a kubectl that applies nothing, and notes its calls."""
    kubectl = tmp_path / "bin" / "kubectl"
    kubectl.parent.mkdir()
    kubectl.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/calls\n')
    kubectl.chmod(0o755)
    return {**os.environ, "PATH": f"{kubectl.parent}:{os.environ['PATH']}"}


def made(folder: Path, shell: dict[str, str], *flags: str) -> subprocess.CompletedProcess[str]:
    command = [str(K8S / "certificates.sh"), *flags, str(folder)]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=shell)


def loaded(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())


def subject_names(certificate: x509.Certificate) -> list[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName)


def one(objects: list[Object], kind: str, name: str) -> Object:
    [found] = [each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def secret_of(workload: Object) -> str:
    [secret] = [str(each["secret"]["secretName"]) for each in pod_spec(workload)["volumes"] if "secret" in each]
    return secret


def container(workload: Object, name: str) -> Object:
    [found] = [each for each in containers(workload) if each["name"] == name]
    return found


@pytest.mark.parametrize("names", INSTALLATIONS.values(), ids=INSTALLATIONS)
def test_names_and_secrets_are_those_of_the_manifests(names: Names, shell: dict[str, str], tmp_path: Path) -> None:
    done = made(tmp_path / "ca", shell, *names.flags)
    assert done.returncode == 0, done.stderr
    objects = overlay(tmp_path / "overlay", **names.fields)
    control_plane = one(objects, "Deployment", names.of(CONTROL_PLANE))
    fleet = one(objects, "Deployment", names.of(FLEET))
    calls = (tmp_path / "calls").read_text()
    annotation = control_plane["spec"]["template"]["metadata"]["annotations"]["xds-ingress.dev/operator-secret"]
    for use, secret in zip(USES, (secret_of(control_plane), secret_of(fleet), annotation), strict=True):
        assert f"secret generic {secret} --namespace {names.namespace} " in calls
        by_cert_manager = one(objects, "Certificate", names.of(f"xds-ingress-{use}"))["spec"]
        assert by_cert_manager["secretName"] == secret
        certificate = loaded(tmp_path / "ca", use)
        assert subject_names(certificate)[0] == by_cert_manager["dnsNames"][0]
        assert ("server auth" in by_cert_manager["usages"], "client auth" in by_cert_manager["usages"]) == usages(
            certificate
        )
        certificate.verify_directly_issued_by(loaded(tmp_path / "ca", "ca"))
    bootstrap = container(fleet, "bootstrap")
    server_name = environment(control_plane, container(control_plane, "xds"))["XDS_TLS_SERVER_NAME"]
    assert environment(fleet, bootstrap)["XDS_TLS_SERVER_NAME"] == server_name
    [xds] = [each for each in arguments(fleet, bootstrap) if each.startswith("--xds=")]
    asked = xds.partition("=")[2].partition(":")[0]
    assert subject_names(loaded(tmp_path / "ca", "server")) == [server_name, asked]
    [cluster] = [each for each in arguments(fleet, bootstrap) if each.startswith("--node-cluster=")]
    assert subject_names(loaded(tmp_path / "ca", "client")) == [cluster.partition("=")[2]]
    assert subject_names(loaded(tmp_path / "ca", "operator")) == ["xds-operator"]


def usages(certificate: x509.Certificate) -> tuple[bool, bool]:
    """Whether it is for a server, and for a client."""
    found = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    return ExtendedKeyUsageOID.SERVER_AUTH in found, ExtendedKeyUsageOID.CLIENT_AUTH in found


def test_only_the_owner_reads_keys_and_another_run_renews(shell: dict[str, str], tmp_path: Path) -> None:
    assert made(tmp_path / "ca", shell).returncode == 0
    assert all(each.stat().st_mode & 0o077 == 0 for each in (tmp_path / "ca").glob("*.key"))
    first, authority = loaded(tmp_path / "ca", "server"), loaded(tmp_path / "ca", "ca")
    assert made(tmp_path / "ca", shell).returncode == 0
    assert loaded(tmp_path / "ca", "ca") == authority
    assert loaded(tmp_path / "ca", "server").serial_number != first.serial_number


def test_a_folder_is_of_one_installation(shell: dict[str, str], tmp_path: Path) -> None:
    """Every certificate of an authority opens its control plane. A folder without a note is of a version before it."""
    assert made(tmp_path / "ca", shell).returncode == 0
    (tmp_path / "ca" / "installation").unlink()
    (tmp_path / "calls").unlink()
    refused = made(tmp_path / "ca", shell, "--namespace", "edge")
    assert refused.returncode == 1
    assert "has the authority of xds-ingress/xds-ingress, and not of edge/xds-ingress" in refused.stderr
    assert not (tmp_path / "calls").exists()
    assert made(tmp_path / "ca", shell).returncode == 0


@pytest.mark.parametrize("flags", [("--frob", "x"), ("--namespace",), ("a", "b")], ids=str)
def test_wrong_usage_makes_nothing(flags: tuple[str, ...], shell: dict[str, str], tmp_path: Path) -> None:
    command = [str(K8S / "certificates.sh"), *flags]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=shell, cwd=tmp_path)
    assert (done.returncode, done.stderr[:6]) == (2, "usage:")
    assert not (tmp_path / "calls").exists()
