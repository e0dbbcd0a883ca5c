"""The operator's choices for the translation."""

from dataclasses import dataclass

from xds.kube.references import AnnotatedObjects, ConfigAsked, ConfigReferences
from xds.problems.problem import Key
from xds.traffic.regex import DEFAULT_MAX_REGEX_SIZE
from xds.translate.gateway.options import NO_GATEWAYS, GatewayOptions
from xds.translate.layer4.options import NO_LAYER4, Layer4Options
from xds.translate.nginx.annotated_objects import annotated_objects, asked_by_config
from xds.translate.nginx.configmap.named_headers import named_config_maps
from xds.translate.ownership import HostOwnership


@dataclass(frozen=True, slots=True)
class TranslateOptions:
    """The operator's choices.

    Attributes:
        allow_external_name: Whether Services of type ExternalName may be backends.
        default_tls_secret: The Secret for TLS entries without secretName and for SNI that no TLS host covers.
        ignored_annotations: Names of ingress-nginx's annotations, without the prefix, that count as absent.
        is_compatible: Whether absent annotations have ingress-nginx's defaults.
        max_regex_size: The size of a compiled expression above which proxies reject the expression.
        allow_cross_namespace: Whether annotations may name objects of other namespaces, and canaries lend backends to
            paths of other namespaces.
        nginx_configmap: ingress-nginx's ConfigMap.
        has_tracer: Whether proxies send traces to a collector.
        has_authz: Whether `xds authz` runs beside each proxy.
        default_service: Answers where no Ingress has a default backend.
        published: The Service of --publish-service, at which no authorizer is asked.
        host_ownership: The namespaces whose Ingresses count for a host.
        passes_tls: Whether Ingresses may ask for TLS passthrough.
        layer4: Ports beside those of HTTP.
        gateway: The Gateway API.
    """

    allow_external_name: bool = False
    default_tls_secret: Key | None = None
    ignored_annotations: frozenset[str] = frozenset()
    is_compatible: bool = False
    max_regex_size: int = DEFAULT_MAX_REGEX_SIZE
    allow_cross_namespace: bool = False
    nginx_configmap: Key | None = None
    has_tracer: bool = False
    has_authz: bool = False
    default_service: Key | None = None
    published: Key | None = None
    host_ownership: HostOwnership = HostOwnership.SHARED
    passes_tls: bool = False
    layer4: Layer4Options = NO_LAYER4
    gateway: GatewayOptions = NO_GATEWAYS

    @property
    def config_maps(self) -> frozenset[Key]:
        """The ConfigMaps that flags name. Sources follow each although no Ingress names one."""
        named = (self.nginx_configmap, *self.layer4.config_maps.values())
        return frozenset(key for key in named if key is not None)

    @property
    def config_references(self) -> ConfigReferences:
        """Tells the ConfigMaps that ingress-nginx's ConfigMap names."""
        return lambda config: named_config_maps(config) if config.key == self.nginx_configmap else frozenset()

    @property
    def config_asked(self) -> ConfigAsked:
        """Tells the Service and the host of the authorizer that ingress-nginx's ConfigMap names."""
        return lambda config: asked_by_config(config) if config.key == self.nginx_configmap else frozenset()

    @property
    def annotated(self) -> AnnotatedObjects:
        """Tells the objects that the annotations of an Ingress name."""
        return annotated_objects(allow_cross_namespace=self.allow_cross_namespace, passes_tls=self.passes_tls)
