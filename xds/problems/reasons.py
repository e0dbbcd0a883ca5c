"""What the reasons of problems mean, for those who meet one for the first time."""

from typing import Final, Literal, NamedTuple


class Reason(NamedTuple):
    """`level`: a warning where what is asked for is served all the same."""

    level: Literal["error", "warning"]
    help: str


def _error(text: str) -> Reason:
    return Reason("error", text)


def _warning(text: str) -> Reason:
    return Reason("warning", text)


REASONS: Final = {
    "AddressTypeUnsupported": _error(
        "EndpointSlices of addressType FQDN have no address that a proxy could connect to."
    ),
    "AnnotationUnsupported": _warning("Annotations of ingress-nginx have no effect here."),
    "BackendNotFound": _error("An Ingress names a Service that doesn't exist; its paths answer 503."),
    "BackendPortNotFound": _error("An Ingress names a port that the Service doesn't have; its paths answer 503."),
    "CertificateConflict": _error("Two TLS entries name the same host and different Secrets; the oldest Ingress wins."),
    "CertificateExpired": _warning("A certificate is past its time; it is served, and clients refuse it."),
    "CertificateNotYetValid": _warning("A certificate's time has not come; it is served, and clients refuse it."),
    "DuplicateObject": _error("Two manifests have the same kind, namespace and name; the first counts."),
    "EnvoyWouldRefuse": _error(
        "What an object leads to breaks a rule of Envoy's API; it is left out, or stays as it was."
    ),
    "ExternalNameRefused": _error("A Service of type ExternalName needs --allow-external-name and an outside host."),
    "InvalidAddress": _error("An endpoint's address is no IP address; the endpoint is left out."),
    "InvalidBackend": _error("A backend must name a Service."),
    "InvalidHost": _error("A host must be a DNS name, or a wildcard such as *.example.com, without a port."),
    "InvalidName": _error("The name of an object is not one that Kubernetes allows."),
    "InvalidObject": _error("A field of the object has a form that the API server would refuse."),
    "InvalidPath": _error("A path must begin with a slash and be one that a normalized request can have."),
    "InvalidPathType": _error("pathType must be Exact, Prefix or ImplementationSpecific."),
    "InvalidPort": _error("A port of an EndpointSlice has no number or one out of range; its endpoints are left out."),
    "MalformedFile": _error("A file is not YAML or JSON that can be read."),
    "NoDefaultCertificate": _error("A TLS entry without secretName needs --default-tls-secret."),
    "NotAnObject": _error("A document in a file is not a Kubernetes object."),
    "PathConflict": _error("Two Ingresses send the same path of a host to different backends; the oldest wins."),
    "ResourceBackendUnsupported": _error("Backends of kind resource are not supported; the path is left out."),
    "SecretInvalid": _error("A Secret holds no certificate and key that Envoy would take."),
    "SecretNotFound": _error("A TLS entry names a Secret that doesn't exist; HTTPS for its hosts is off."),
    "TLSHostsMissing": _error("A TLS entry covers no host, so its certificate is never chosen."),
    "TooLarge": _error("A file is larger than a manifest may be."),
    "UnreadableFile": _error("A file can't be opened."),
    "UnreadableFolder": _error("A folder can't be listed."),
    "UnsupportedApiVersion": _error("The apiVersion of an object is not the one that is served today."),
}
