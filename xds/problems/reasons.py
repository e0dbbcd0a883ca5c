"""The catalogue of problem reasons, with the level, the meaning and the usual remedy of each."""

from enum import StrEnum


class Level(StrEnum):
    """How much of a faulty object is still served. The words are SARIF's."""

    ERROR = "error"
    """Something asked for is not served: it is left out, answers an error instead, or stays as it was before."""
    WARNING = "warning"
    """The object is served as asked for, but with a difference now or soon."""


class Reason(StrEnum):
    """Why an object, or a part of an object, is not served as written.

    The value is one CamelCase word, fit for the reason of a Kubernetes Event and for a metric's label. Scripts depend
    on the values.

    Attributes:
        level: Whether something asked for is not served.
        meaning: A sentence for somebody who meets the reason for the first time.
        remedy: The usual action. A problem names a more specific one where the circumstances allow.
    """

    level: Level
    meaning: str
    remedy: str

    def __new__(cls, value: str, level: Level, meaning: str, remedy: str) -> "Reason":
        member = str.__new__(cls, value)
        member._value_ = value
        member.level = level
        member.meaning = meaning
        member.remedy = remedy
        return member

    ADDRESS_TYPE_UNSUPPORTED = (
        "AddressTypeUnsupported",
        Level.ERROR,
        "An EndpointSlice of addressType FQDN has no address that a proxy could connect to; the slice is left out.",
        "Correct the EndpointSlice, or the controller that writes the slice; all other endpoints are served.",
    )
    ALIAS_CONFLICT = (
        "AliasConflict",
        Level.ERROR,
        "A name of server-alias is a host of an Ingress, or a name of another host; the alias is left out.",
        "Remove the name from server-alias, or from the Ingress that the problem names.",
    )
    ANNOTATION_BACKEND_UNUSABLE = (
        "AnnotationBackendUnusable",
        Level.WARNING,
        "An annotation names a Service or an outside host that can't be used; paths are served without the annotation.",
        "Create the Service, or correct the annotation.",
    )
    ANNOTATION_IGNORED = (
        "AnnotationIgnored",
        Level.WARNING,
        "The operator has annotations of this name ignored. If the annotation protects, its paths are open.",
        "Remove the annotation, or ask the operator to drop --ignore-annotation.",
    )
    ANNOTATION_INVALID = (
        "AnnotationInvalid",
        Level.WARNING,
        "An annotation has a value that can't be read; its default counts.",
        "Correct the value, or remove the annotation.",
    )
    ANNOTATION_OVERRIDDEN = (
        "AnnotationOverridden",
        Level.WARNING,
        "Of two annotations for one thing, the one with our own prefix counts.",
        "Remove one of the two.",
    )
    ANNOTATION_UNKNOWN = (
        "AnnotationUnknown",
        Level.WARNING,
        "An annotation has the prefix of ingress-nginx or our own, and a name that no annotation has.",
        "Correct the name, or remove the annotation.",
    )
    ANNOTATION_UNSUPPORTED = (
        "AnnotationUnsupported",
        Level.WARNING,
        "An annotation of ingress-nginx has no effect here.",
        "Remove the annotation if the Ingress works without; the rest of the Ingress is served.",
    )
    API_SERVER_UNREACHABLE = (
        "ApiServerUnreachable",
        Level.WARNING,
        "The API server gives no answer. What was read before is served; later changes are not seen.",
        "Restore the API server or the network between; changes are followed again after the outage.",
    )
    APP_PROTOCOL_UNKNOWN = (
        "AppProtocolUnknown",
        Level.WARNING,
        "The appProtocol of a Service's port is none that is known here; plain HTTP/1.1 is spoken to its endpoints.",
        "Write http, https, grpc, grpcs, kubernetes.io/h2c, kubernetes.io/ws or kubernetes.io/wss.",
    )
    AUTHORIZER_UNUSABLE = (
        "AuthorizerUnusable",
        Level.ERROR,
        "Nobody can be asked at the URL of auth-url or global-auth-url; requests that need the authorizer answer 500.",
        "Create the Service or the Ingress that serves the host, or correct the URL.",
    )
    BACKEND_NOT_FOUND = (
        "BackendNotFound",
        Level.ERROR,
        "An Ingress or a port's entry names a Service that doesn't exist; its paths answer 503, its port is closed.",
        "Create the Service, or correct the name in the Ingress.",
    )
    BACKEND_PORT_NOT_FOUND = (
        "BackendPortNotFound",
        Level.ERROR,
        "An Ingress or a port's entry names a port that the Service lacks; its paths answer 503, its port is closed.",
        "Use one of the Service's ports, or add the port to the Service.",
    )
    BACKEND_PROTOCOL_UNSUPPORTED = (
        "BackendProtocolUnsupported",
        Level.ERROR,
        "An Ingress asks for FastCGI, which Envoy doesn't speak; its paths answer 503.",
        "Run a web server beside php-fpm, speak HTTP to it, and remove the annotation.",
    )
    BACKEND_UNREADABLE = (
        "BackendUnreadable",
        Level.ERROR,
        "An Ingress begins to name a Service that can't be read at the moment; the change of the Ingress waits.",
        "Restore the API server, or the right to list and watch Services and EndpointSlices.",
    )
    CANARY_UNUSED = (
        "CanaryUnused",
        Level.ERROR,
        "A path of a canary gets no request: no other Ingress has the path, or the path already has a canary.",
        "Give the canary's Ingress a host, path and pathType of an Ingress of its namespace, with another Service.",
    )
    CERTIFICATE_CHAIN_BROKEN = (
        "CertificateChainBroken",
        Level.WARNING,
        "A certificate chain is not in order, or lacks a certificate. It is served, and some clients reject it.",
        "Put the server's certificate first into tls.crt, then each authority's that signed the one before, in PEM.",
    )
    CERTIFICATE_CONFLICT = (
        "CertificateConflict",
        Level.ERROR,
        "Two TLS entries name the same host and Secrets with different certificates; the oldest Ingress wins.",
        "Name the same Secret in both Ingresses, or remove the host from one.",
    )
    CERTIFICATE_EXPIRED = (
        "CertificateExpired",
        Level.WARNING,
        "A certificate has expired. It is served, and clients reject it.",
        "Renew the certificate, and put chain and key into the Secret.",
    )
    CERTIFICATE_EXPIRES_SOON = (
        "CertificateExpiresSoon",
        Level.WARNING,
        "A certificate expires in less than 14 days; one of at most 7 days, in less than a third of its lifetime.",
        "Renew the certificate, or find out why its issuer (cert-manager, for instance) has not.",
    )
    CERTIFICATE_NAMES_OTHERS = (
        "CertificateNamesOthers",
        Level.WARNING,
        "A certificate doesn't have the name of a TLS host among its DNS names. It is served, and clients reject it.",
        "Issue a certificate with the host among its subjectAltNames, or name the Secret that has one.",
    )
    CERTIFICATE_NOT_YET_VALID = (
        "CertificateNotYetValid",
        Level.WARNING,
        "A certificate is not valid yet. It is served, and clients reject it.",
        "Check the clocks of this server and of the certificate's issuer, or wait until then.",
    )
    CERTIFICATE_UNUSED = (
        "CertificateUnused",
        Level.WARNING,
        "The Secret of a TLS entry is not served for a host: TLS of the host is passed through, or closed.",
        "Remove the host from the TLS entry, unless its plain requests are to be redirected to HTTPS.",
    )
    CLASS_CONTRADICTED = (
        "ClassContradicted",
        Level.WARNING,
        "An Ingress has one class in the annotation kubernetes.io/ingress.class and another in spec.ingressClassName.",
        "Remove the annotation kubernetes.io/ingress.class, which counts, or set both to the same class.",
    )
    CONFIG_KEY_INVALID = (
        "ConfigKeyInvalid",
        Level.WARNING,
        "A key of ingress-nginx's ConfigMap has a value that can't be read; its default counts.",
        "Correct the value, or remove the key.",
    )
    CONFIG_KEY_UNKNOWN = (
        "ConfigKeyUnknown",
        Level.WARNING,
        "The ConfigMap of --nginx-configmap has a key that ingress-nginx doesn't have.",
        "Correct the key, or remove it.",
    )
    CONFIG_KEY_UNSUPPORTED = (
        "ConfigKeyUnsupported",
        Level.WARNING,
        "A key of ingress-nginx's ConfigMap has no effect here.",
        "Remove the key if the traffic works without; the other keys count.",
    )
    CONFIG_MAP_NOT_FOUND = (
        "ConfigMapNotFound",
        Level.WARNING,
        "The ConfigMap of --nginx-configmap doesn't exist or can't be read; the keys count as absent.",
        "Create the ConfigMap, grant the right to read it, or correct --nginx-configmap.",
    )
    COOKIE_PATH_REPLACED = (
        "CookiePathReplaced",
        Level.WARNING,
        "The session cookie of a path is for /: no browser would send a cookie back for an expression.",
        "Set session-cookie-path to the part of the path that all requests have in common.",
    )
    DUPLICATE_KEY = (
        "DuplicateKey",
        Level.WARNING,
        "A mapping in a file has a key twice; the last one counts.",
        "Remove one of the two keys.",
    )
    DUPLICATE_OBJECT = (
        "DuplicateObject",
        Level.ERROR,
        "Two manifests have the same kind, namespace and name; the first counts.",
        "Remove one of the two objects, or rename one.",
    )
    ENDPOINT_PORT_MISSING = (
        "EndpointPortMissing",
        Level.ERROR,
        "No EndpointSlice of a Service has a port of the name that the Service's port has; its paths answer 503.",
        "Give the port the same name in both. With a selector, targetPort must be a port of the Pods' containers.",
    )
    ENDPOINT_PORT_RENAMED = (
        "EndpointPortRenamed",
        Level.WARNING,
        "A port of a Service was renamed, and its EndpointSlices have the old name; their endpoints are served.",
        "Give the port the same name in both. A controller that writes the EndpointSlices does so by itself.",
    )
    ENVOY_WOULD_REFUSE = (
        "EnvoyWouldRefuse",
        Level.ERROR,
        "A resource made from the object breaks a rule of Envoy's API; it is left out, or its last good version stays.",
        "Change the field of the object that the value comes from, and report the message as a bug of xds-ingress.",
    )
    EVERY_CLIENT_TRUSTED = (
        "EveryClientTrusted",
        Level.WARNING,
        "Forwarded headers of every client are believed, so that a client can claim any address.",
        "Name the networks of the proxies in front in proxy-real-ip-cidr.",
    )
    EXTERNAL_NAME_REFUSED = (
        "ExternalNameRefused",
        Level.ERROR,
        "An ExternalName is not allowed, or names no outside host; its paths answer 503, its ports are closed.",
        "Use a Service with endpoints, or start the server with --allow-external-name.",
    )
    FOLDER_NOT_WATCHED = (
        "FolderNotWatched",
        Level.WARNING,
        "The kernel doesn't report changes of the manifests (inotify); all files are compared every 10 s instead.",
        "Raise `sysctl fs.inotify.max_user_instances` and `fs.inotify.max_user_watches`; it is tried again.",
    )
    GATEWAY_REFUSED = (
        "GatewayRefused",
        Level.ERROR,
        "A GatewayClass, Gateway or ListenerSet can't be served as written; its conditions tell the rest.",
        "Correct the field that the problem names, or free or add an address with --gateway-address.",
    )
    HOST_OF_OTHER_NAMESPACE = (
        "HostOfOtherNamespace",
        Level.ERROR,
        "With --host-ownership namespace, a host belongs to the namespace of its oldest Ingress; others are left out.",
        "Use another host, or create the Ingress in the namespace that the problem names.",
    )
    HOST_WITHOUT_TLS = (
        "HostWithoutTLS",
        Level.WARNING,
        "An Ingress redirects to HTTPS where a TLS entry covers the host, and none of its entries covers this host.",
        "Name the host in a TLS entry with a certificate for the host.",
    )
    INVALID_ADDRESS = (
        "InvalidAddress",
        Level.ERROR,
        "An endpoint's address is not an IP address; the endpoint is left out.",
        "Correct the EndpointSlice, or the controller that writes the slice; all other endpoints are served.",
    )
    INVALID_BACKEND = (
        "InvalidBackend",
        Level.ERROR,
        "A backend names neither a Service nor a resource; the path is left out.",
        "Set backend.service.",
    )
    INVALID_HOST = (
        "InvalidHost",
        Level.ERROR,
        "A host is neither a DNS name nor a wildcard such as *.example.com; its rule, or its HTTPS, is left out.",
        "Use lower-case letters, digits, '-' and '.', without a port.",
    )
    INVALID_NAME = (
        "InvalidName",
        Level.ERROR,
        "The name or the namespace of an object is not one that Kubernetes allows; the object is left out.",
        "Use lower-case letters, digits, '-' and dots.",
    )
    INVALID_OBJECT = (
        "InvalidObject",
        Level.ERROR,
        "A field of the object has a form that the API server would reject; the object is left out.",
        "Look the field up with `kubectl explain`.",
    )
    INVALID_PATH = (
        "InvalidPath",
        Level.ERROR,
        "A path doesn't begin with a slash, or no normalized request can match the path; the path is left out.",
        "Correct the path; the other paths of the Ingress are served.",
    )
    INVALID_PATH_TYPE = (
        "InvalidPathType",
        Level.ERROR,
        "pathType is none of Exact, Prefix and ImplementationSpecific; the path is left out.",
        "Correct the path; the other paths of the Ingress are served.",
    )
    INVALID_PORT = (
        "InvalidPort",
        Level.ERROR,
        "A port of an EndpointSlice has no number or one out of range; its endpoints are left out.",
        "Correct the EndpointSlice, or the controller that writes the slice; all other endpoints are served.",
    )
    LISTENER_REFUSED = (
        "ListenerRefused",
        Level.ERROR,
        "A listener of a Gateway or ListenerSet isn't served, or not with every kind of route that it allows.",
        "Correct the listener, or remove the other one that has its port and hostname.",
    )
    MALFORMED_FILE = (
        "MalformedFile",
        Level.ERROR,
        "A file is not valid YAML or JSON.",
        "Repair the file; until then, the objects of its last valid content stay.",
    )
    NAMED_OBJECT_UNUSABLE = (
        "NamedObjectUnusable",
        Level.ERROR,
        "An annotation names a Secret or ConfigMap that is missing, unreadable or bad; what it protects is closed.",
        "Create or correct the object in the namespace of the Ingress, or grant the right to it (docs/security.md).",
    )
    NAMESPACE_NOT_FOUND = (
        "NamespaceNotFound",
        Level.ERROR,
        "A namespace of --namespace doesn't exist, so nothing is served from there.",
        "Create the namespace, or correct --namespace; the namespace is followed as soon as it exists.",
    )
    NO_DEFAULT_CERTIFICATE = (
        "NoDefaultCertificate",
        Level.ERROR,
        "A TLS entry without secretName needs --default-tls-secret; HTTPS for its hosts is off.",
        "Set secretName, or start the server with --default-tls-secret.",
    )
    NOT_AN_OBJECT = (
        "NotAnObject",
        Level.ERROR,
        "A document in a file is not a Kubernetes object.",
        "Write a Kubernetes object with apiVersion, kind and metadata, or move the file out of the folder.",
    )
    OCSP_STAPLE_INVALID = (
        "OCSPStapleInvalid",
        Level.WARNING,
        "The OCSP response in tls.ocsp-staple can't be stapled; the certificate is served without.",
        "Put the responder's answer for the certificate, in DER, into tls.ocsp-staple, or remove the key.",
    )
    OCSP_STAPLE_OUTDATED = (
        "OCSPStapleOutdated",
        Level.WARNING,
        "The OCSP response in tls.ocsp-staple is out of its time; it is not sent.",
        "Ask the responder of the certificate's issuer again, and put the answer into tls.ocsp-staple.",
    )
    PASSTHROUGH_CLOSED = (
        "PassthroughClosed",
        Level.ERROR,
        "A host can't be passed through as its Ingress asks; its TLS connections are closed, and not decrypted.",
        "Give the host a Prefix path / with a Service that exists, or remove ssl-passthrough to have TLS terminated.",
    )
    PASSTHROUGH_CONFLICT = (
        "PassthroughConflict",
        Level.ERROR,
        "Several Ingresses say how TLS of a host is treated; the oldest decides, and only in the host's namespace.",
        "Remove ssl-passthrough or the TLS entry from one of the Ingresses, or use another host.",
    )
    PASSTHROUGH_OFF = (
        "PassthroughOff",
        Level.WARNING,
        "An Ingress asks for TLS passthrough, which the operator has not switched on; proxies terminate TLS.",
        "Start the server with --enable-ssl-passthrough, or remove the annotation.",
    )
    PASSWORDS_UNUSABLE = (
        "PasswordsUnusable",
        Level.WARNING,
        "A Secret with passwords has users whose hash can't be checked, or takes too long; these get 401.",
        "Write their passwords anew, with `htpasswd -B` for example.",
    )
    PATH_CONFLICT = (
        "PathConflict",
        Level.ERROR,
        "Two Ingresses send the same path of a host to different backends; the oldest Ingress wins.",
        "Remove one of the two paths; the oldest Ingress wins, then the first by namespace and name.",
    )
    PATH_NOT_SEEN = (
        "PathNotSeen",
        Level.WARNING,
        "TLS of a host is passed through to the Service of the path /; its other paths serve plain requests only.",
        "Give the path a host of its own, or remove ssl-passthrough.",
    )
    PATTERN_IN_PATH = (
        "PatternInPath",
        Level.WARNING,
        "A path is written as a glob or a regular expression, and is compared literally: an Ingress has no patterns.",
        "Write each path literally, with pathType Prefix (also everything below) or Exact.",
    )
    POLICY_REFUSED = (
        "PolicyRefused",
        Level.ERROR,
        "A BackendTLSPolicy can't be followed; requests to its Services answer 500 rather than go without TLS.",
        "Correct the policy, or remove it to have the Services spoken to without TLS.",
    )
    PORT_CONFIG_MAP_NOT_FOUND = (
        "PortConfigMapNotFound",
        Level.ERROR,
        "The ConfigMap of --tcp-services-configmap or --udp-services-configmap doesn't exist or can't be read.",
        "Create the ConfigMap, grant the right to list and watch it, or correct the flag.",
    )
    PORT_CONFLICT = (
        "PortConflict",
        Level.ERROR,
        "An entry claims a port that another entry has: a ConfigMap comes first, then the oldest Service.",
        "Claim another port, or remove one of the two entries.",
    )
    PORT_INVALID = (
        "PortInvalid",
        Level.ERROR,
        "An entry of a TCP or UDP port, in a ConfigMap or in xds-ingress.dev/expose, can't be read; it is left out.",
        "Correct the entry; all others are served.",
    )
    PORT_NOT_EXPOSED = (
        "PortNotExposed",
        Level.ERROR,
        "A Service claims a port that --expose-ports doesn't give to its namespace; the port is not opened.",
        "Claim a port of the namespace, or ask the operator for --expose-ports PORT=NAMESPACE.",
    )
    PORT_RESERVED = (
        "PortReserved",
        Level.ERROR,
        "An entry claims a port of HTTP, HTTPS, Envoy's own or another listener; it is left out.",
        "Choose another port, or correct --reserved-ports.",
    )
    PROTECTION_NOT_ENFORCED = (
        "ProtectionNotEnforced",
        Level.WARNING,
        "An annotation protects requests, and proxies see no requests in TLS that is passed through.",
        "Have the backend protect itself, restrict clients by allowlist-source-range, or remove ssl-passthrough.",
    )
    PROTECTION_UNAVAILABLE = (
        "ProtectionUnavailable",
        Level.ERROR,
        "An Ingress asks for a protection that can't be had here; its paths, or its hosts, are closed.",
        "Remove the annotation to open the paths, or have the operator name the annotation in --ignore-annotation.",
    )
    PROXY_REJECTS_MANY = (
        "ProxyRejectsMany",
        Level.ERROR,
        "A proxy rejects many resources, of which only the first have the problem RejectedByProxy.",
        "Look at the proxy's version and at its rejections with `xds proxies`; other proxies are served as before.",
    )
    PROXY_UNSUPPORTED = (
        "ProxyUnsupported",
        Level.ERROR,
        "A proxy's Envoy is older than the oldest one that is served; its streams are ended, and it keeps what it has.",
        "Upgrade the proxy to an Envoy that the message names.",
    )
    PUBLISH_ADDRESS_UNKNOWN = (
        "PublishAddressUnknown",
        Level.WARNING,
        "The Service of --publish-service doesn't exist or has no address; statuses keep the last known addresses.",
        "Create the Service, give it an address, or name another one with --publish-service or --publish-address.",
    )
    REFERENCE_UNRESOLVED = (
        "ReferenceUnresolved",
        Level.ERROR,
        "An object of the Gateway API names an object that doesn't exist, can't be used, or isn't granted.",
        "Create or correct the object, or have its namespace grant the reference by a ReferenceGrant.",
    )
    REJECTED_BY_PROXY = (
        "RejectedByProxy",
        Level.ERROR,
        "A proxy rejected (NACK) a resource made from the object; the last good version stays, or nothing is served.",
        "Revert the last change, or fix the field named in Envoy's message. It is retried when the object changes.",
    )
    RESOURCE_BACKEND_UNSUPPORTED = (
        "ResourceBackendUnsupported",
        Level.ERROR,
        "Backends of kind resource are not supported; the path is left out.",
        "Set backend.service, and put a Service in front of the resource.",
    )
    ROUTE_REFUSED = (
        "RouteRefused",
        Level.ERROR,
        "A parent doesn't accept a route, or a part of the route is left out.",
        "Correct parentRefs, hostnames or rules of the route, or have the listener allow the route.",
    )
    SECRET_INVALID = (
        "SecretInvalid",
        Level.ERROR,
        "A Secret holds no certificate and key that Envoy would accept; HTTPS is off, or uses the last good one.",
        "Put a matching certificate chain and key, both in PEM, into tls.crt and tls.key.",
    )
    SECRET_NOT_FOUND = (
        "SecretNotFound",
        Level.ERROR,
        "A TLS entry names a Secret that doesn't exist; HTTPS for its hosts is off.",
        "Create the Secret, or correct secretName in the Ingress.",
    )
    SECRET_UNREADABLE = (
        "SecretUnreadable",
        Level.ERROR,
        "An Ingress begins to name a Secret that can't be read at the moment; the change of the Ingress waits.",
        "Restore the API server, or the right to list and watch Secrets. The look-up is repeated until then.",
    )
    TLS_HOSTS_MISSING = (
        "TLSHostsMissing",
        Level.ERROR,
        "A TLS entry covers no host, so its certificate is never chosen.",
        "List the certificate's hosts in the entry, or make it the server's --default-tls-secret.",
    )
    TOO_LARGE = (
        "TooLarge",
        Level.ERROR,
        "A file is larger than a manifest may be.",
        "Split the file.",
    )
    UNKNOWN_FLAG = (
        "UnknownFlag",
        Level.WARNING,
        "An entry of a TCP or UDP port has a flag other than PROXY and PROXY_V2, or one without effect; it is ignored.",
        "Correct or remove the flag. The first flag decodes PROXY protocol headers, the second sends them.",
    )
    UNREADABLE_FILE = (
        "UnreadableFile",
        Level.ERROR,
        "A file can't be read.",
        "Make the file readable, or remove the file.",
    )
    UNREADABLE_FOLDER = (
        "UnreadableFolder",
        Level.ERROR,
        "A folder can't be read.",
        "Restore the folder, readable; until then, the objects of its last content stay.",
    )
    UNRENDERED_TEMPLATE = (
        "UnrenderedTemplate",
        Level.ERROR,
        "A document is a template, which must be rendered before it is a Kubernetes object.",
        "Render the template first: helm template CHART | xds lint -, or helm template CHART > DIR/all.yaml.",
    )
    UNSUPPORTED_API_VERSION = (
        "UnsupportedApiVersion",
        Level.ERROR,
        "The apiVersion of an object is not the one that is served today; the object is left out.",
        "Use the apiVersion that the problem names, and the fields it has.",
    )
    WATCH_BEHIND = (
        "WatchBehind",
        Level.WARNING,
        "A watch of the API server has not caught up. What was read before is served; later changes are not seen.",
        "Look at the load and the log of the API server; the watch is tried again all the time.",
    )
    WATCH_REFUSED = (
        "WatchRefused",
        Level.WARNING,
        "The API server rejects a watch. What was read before is served; later changes are not seen.",
        "Grant the permission (403) or renew the credentials (401); the watch is tried again all the time.",
    )
    WITHDRAWAL_HELD = (
        "WithdrawalHeld",
        Level.WARNING,
        "An IngressClass excludes the last Ingresses with backends or certificates, or a folder is empty; all stay.",
        "Undo the change of the IngressClass, or delete the Ingresses, give them another class or restart the server.",
    )
