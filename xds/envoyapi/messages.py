"""The types of Envoy's API: `from xds.envoyapi.messages import Cluster, Listener`.

For mypy and editors they are envoy-data-plane's documented dataclasses and enums. At run time they are `EnvoyType`s of
the same names, because importing envoy_data_plane takes most of a second.

Where several packages have a type of one name, `_FULL_NAMES` says which of them has the name here. The other types go
by a second name, or are left out. A type that no root in `schema.ROOTS` leads to is known to mypy and raises
LookupError when it is used: add a root.
"""

# ruff: noqa: F403, I001, PLC0414  # the imports are the list of the names that this module exports

import typing

from xds.envoyapi.envoy_type import EnvoyType

if typing.TYPE_CHECKING:
    from envoy_data_plane.google.protobuf import *
    from envoy_data_plane.google.rpc import *
    from envoy_data_plane.google.api.expr.v1alpha1 import (
        Constant as Constant,
        Expr as Expr,
        ExprCall as ExprCall,
        ExprIdent as ExprIdent,
        ExprSelect as ExprSelect,
    )
    from envoy_data_plane.envoy.type.v3 import *
    from envoy_data_plane.envoy.type.matcher.v3 import *
    from envoy_data_plane.envoy.config.accesslog.v3 import *
    from envoy_data_plane.envoy.config.bootstrap.v3 import *
    from envoy_data_plane.envoy.config.endpoint.v3 import *
    from envoy_data_plane.envoy.config.listener.v3 import *
    from envoy_data_plane.envoy.config.metrics.v3 import *
    from envoy_data_plane.envoy.config.overload.v3 import *
    from envoy_data_plane.envoy.config.route.v3 import *
    from envoy_data_plane.envoy.type.tracing.v3 import CustomTag as CustomTag
    from envoy_data_plane.envoy.type.http.v3 import Cookie as Cookie, CookieAttribute as CookieAttribute
    from envoy_data_plane.envoy.config.trace.v3 import (
        OpenTelemetryConfig as OpenTelemetryConfig,
        TracingHttp as TracingHttp,
    )
    from envoy_data_plane.envoy.extensions.http.stateful_session.cookie.v3 import *
    from envoy_data_plane.envoy.extensions.http.stateful_session.header.v3 import *
    from envoy_data_plane.envoy.extensions.access_loggers.filters.cel.v3 import *
    from envoy_data_plane.envoy.extensions.access_loggers.stream.v3 import *
    from envoy_data_plane.envoy.extensions.common.matching.v3 import *
    from envoy_data_plane.envoy.extensions.common.ratelimit.v3 import (
        LocalRateLimitDescriptor as LocalRateLimitDescriptor,
        RateLimitDescriptorEntry as RateLimitDescriptorEntry,
    )
    from envoy_data_plane.envoy.extensions.filters.common.matcher.action.v3 import *
    from envoy_data_plane.envoy.extensions.clusters.aggregate.v3 import *
    from envoy_data_plane.envoy.extensions.filters.common.set_filter_state.v3 import *
    from envoy_data_plane.envoy.extensions.common.matching.v3 import *
    from envoy_data_plane.envoy.extensions.filters.common.matcher.action.v3 import *
    from envoy_data_plane.envoy.extensions.filters.http.basic_auth.v3 import *
    from envoy_data_plane.envoy.extensions.filters.http.buffer.v3 import *
    from envoy_data_plane.envoy.extensions.filters.http.ext_authz.v3 import *
    from envoy_data_plane.envoy.extensions.filters.http.composite.v3 import *
    from envoy_data_plane.envoy.extensions.compression.brotli.compressor.v3 import *
    from envoy_data_plane.envoy.extensions.compression.gzip.compressor.v3 import *
    from envoy_data_plane.envoy.extensions.filters.http.compressor.v3 import *
    from envoy_data_plane.envoy.extensions.filters.http.custom_response.v3 import *
    from envoy_data_plane.envoy.extensions.filters.http.fault.v3 import *
    from envoy_data_plane.envoy.extensions.filters.http.local_ratelimit.v3 import LocalRateLimit as LocalRateLimit
    from envoy_data_plane.envoy.extensions.filters.http.lua.v3 import *
    from envoy_data_plane.envoy.extensions.filters.http.router.v3 import *
    from envoy_data_plane.envoy.extensions.filters.http.stateful_session.v3 import *
    from envoy_data_plane.envoy.extensions.filters.http.upstream_codec.v3 import *
    from envoy_data_plane.envoy.extensions.filters.listener.proxy_protocol.v3 import *
    from envoy_data_plane.envoy.extensions.filters.listener.tls_inspector.v3 import *
    from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import *
    from envoy_data_plane.envoy.extensions.filters.network.tcp_proxy.v3 import (
        TcpProxy as TcpProxy,
        TcpProxyWeightedCluster as TcpProxyWeightedCluster,
        TcpProxyWeightedClusterClusterWeight as TcpProxyWeightedClusterClusterWeight,
    )
    from envoy_data_plane.envoy.extensions.filters.udp.udp_proxy.v3 import (
        UdpProxyConfig as UdpProxyConfig,
        UdpProxyConfigHashPolicy as UdpProxyConfigHashPolicy,
    )
    from envoy_data_plane.envoy.extensions.http.custom_response.redirect_policy.v3 import *
    from envoy_data_plane.envoy.extensions.http.original_ip_detection.custom_header.v3 import *
    from envoy_data_plane.envoy.extensions.http.original_ip_detection.xff.v3 import *
    from envoy_data_plane.envoy.extensions.matching.common_inputs.network.v3 import *
    from envoy_data_plane.envoy.extensions.matching.input_matchers.ip.v3 import Ip as Ip
    from envoy_data_plane.envoy.extensions.matching.input_matchers.runtime_fraction.v3 import *
    from envoy_data_plane.envoy.extensions.request_id.uuid.v3 import *
    from envoy_data_plane.envoy.extensions.resource_monitors.downstream_connections.v3 import *
    from envoy_data_plane.envoy.extensions.resource_monitors.fixed_heap.v3 import *
    from envoy_data_plane.envoy.extensions.retry.host.previous_hosts.v3 import *
    from envoy_data_plane.envoy.extensions.transport_sockets.proxy_protocol.v3 import (
        ProxyProtocolUpstreamTransport as ProxyProtocolUpstreamTransport,
    )
    from envoy_data_plane.envoy.extensions.transport_sockets.raw_buffer.v3 import RawBuffer as RawBuffer
    from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import *
    from envoy_data_plane.envoy.service.discovery.v3 import *
    from envoy_data_plane.envoy.config.common.mutation_rules.v3 import (
        HeaderMutation as HeaderMutation,
        HeaderMutationRemoveOnMatch as HeaderMutationRemoveOnMatch,
    )
    from envoy_data_plane.envoy.extensions.filters.http.header_mutation.v3 import Mutations as Mutations
    from envoy_data_plane.envoy.config.cluster.v3 import (
        CircuitBreakers as CircuitBreakers,
        CircuitBreakersThresholds as CircuitBreakersThresholds,
        CircuitBreakersThresholdsRetryBudget as CircuitBreakersThresholdsRetryBudget,
        Cluster as Cluster,
        ClusterClusterProtocolSelection as ClusterClusterProtocolSelection,
        ClusterCommonLbConfig as ClusterCommonLbConfig,
        ClusterCommonLbConfigConsistentHashingLbConfig as ClusterCommonLbConfigConsistentHashingLbConfig,
        ClusterCommonLbConfigLocalityWeightedLbConfig as ClusterCommonLbConfigLocalityWeightedLbConfig,
        ClusterCommonLbConfigZoneAwareLbConfig as ClusterCommonLbConfigZoneAwareLbConfig,
        ClusterCustomClusterType as ClusterCustomClusterType,
        ClusterDiscoveryType as ClusterDiscoveryType,
        ClusterDnsLookupFamily as ClusterDnsLookupFamily,
        ClusterEdsClusterConfig as ClusterEdsClusterConfig,
        ClusterLbPolicy as ClusterLbPolicy,
        ClusterLeastRequestLbConfig as ClusterLeastRequestLbConfig,
        ClusterPreconnectPolicy as ClusterPreconnectPolicy,
        ClusterRefreshRate as ClusterRefreshRate,
        ClusterRingHashLbConfig as ClusterRingHashLbConfig,
        ClusterRingHashLbConfigHashFunction as ClusterRingHashLbConfigHashFunction,
        ClusterRoundRobinLbConfig as ClusterRoundRobinLbConfig,
        ClusterSlowStartConfig as ClusterSlowStartConfig,
        ClusterTransportSocketMatch as ClusterTransportSocketMatch,
        LoadBalancingPolicy as LoadBalancingPolicy,
        LoadBalancingPolicyPolicy as LoadBalancingPolicyPolicy,
        OutlierDetection as OutlierDetection,
        TrackClusterStats as TrackClusterStats,
        UpstreamConnectionOptions as UpstreamConnectionOptions,
        UpstreamConnectionOptionsFirstAddressFamilyVersion as UpstreamConnectionOptionsFirstAddressFamilyVersion,
        UpstreamConnectionOptionsHappyEyeballsConfig as UpstreamConnectionOptionsHappyEyeballsConfig,
    )
    from envoy_data_plane.envoy.config.core.v3 import (
        Address as Address,
        AggregatedConfigSource as AggregatedConfigSource,
        ApiConfigSource as ApiConfigSource,
        ApiConfigSourceApiType as ApiConfigSourceApiType,
        ApiVersion as ApiVersion,
        BackoffStrategy as BackoffStrategy,
        BindConfig as BindConfig,
        CidrRange as CidrRange,
        ConfigSource as ConfigSource,
        ControlPlane as ControlPlane,
        DataSource as DataSource,
        EnvoyInternalAddress as EnvoyInternalAddress,
        ExtensionConfigSource as ExtensionConfigSource,
        ExtraSourceAddress as ExtraSourceAddress,
        GrpcService as GrpcService,
        GrpcServiceEnvoyGrpc as GrpcServiceEnvoyGrpc,
        HeaderValue as HeaderValue,
        HeaderValueOption as HeaderValueOption,
        HeaderValueOptionHeaderAppendAction as HeaderValueOptionHeaderAppendAction,
        HealthCheck as HealthCheck,
        HealthCheckCustomHealthCheck as HealthCheckCustomHealthCheck,
        HealthCheckGrpcHealthCheck as HealthCheckGrpcHealthCheck,
        HealthCheckHttpHealthCheck as HealthCheckHttpHealthCheck,
        HealthCheckPayload as HealthCheckPayload,
        HealthCheckTlsOptions as HealthCheckTlsOptions,
        HealthStatus as HealthStatus,
        HealthStatusSet as HealthStatusSet,
        Http1ProtocolOptions as Http1ProtocolOptions,
        Http1ProtocolOptionsHeaderKeyFormat as Http1ProtocolOptionsHeaderKeyFormat,
        Http1ProtocolOptionsHeaderKeyFormatProperCaseWords as Http1ProtocolOptionsHeaderKeyFormatProperCaseWords,
        Http2ProtocolOptions as Http2ProtocolOptions,
        Http2ProtocolOptionsSettingsParameter as Http2ProtocolOptionsSettingsParameter,
        HttpProtocolOptions as HttpProtocolOptions,
        HttpUri as HttpUri,
        HttpProtocolOptionsHeadersWithUnderscoresAction as HttpProtocolOptionsHeadersWithUnderscoresAction,
        KeepaliveSettings as KeepaliveSettings,
        Locality as Locality,
        Metadata as Metadata,
        Node as Node,
        PathConfigSource as PathConfigSource,
        Pipe as Pipe,
        ProxyProtocolConfig as ProxyProtocolConfig,
        ProxyProtocolConfigVersion as ProxyProtocolConfigVersion,
        RateLimitSettings as RateLimitSettings,
        RequestMethod as RequestMethod,
        RoutingPriority as RoutingPriority,
        RuntimeFeatureFlag as RuntimeFeatureFlag,
        RuntimeFractionalPercent as RuntimeFractionalPercent,
        RuntimeUInt32 as RuntimeUInt32,
        SchemeHeaderTransformation as SchemeHeaderTransformation,
        SocketAddress as SocketAddress,
        SocketAddressProtocol as SocketAddressProtocol,
        SocketOption as SocketOption,
        SocketOptionSocketIpVersion as SocketOptionSocketIpVersion,
        SocketOptionSocketState as SocketOptionSocketState,
        SocketOptionsOverride as SocketOptionsOverride,
        SubstitutionFormatString as SubstitutionFormatString,
        TcpKeepalive as TcpKeepalive,
        TlvEntry as TlvEntry,
        TrafficDirection as TrafficDirection,
        TransportSocket as TransportSocket,
        TypedExtensionConfig as TypedExtensionConfig,
        UdpSocketConfig as UdpSocketConfig,
        UpstreamHttpProtocolOptions as UpstreamHttpProtocolOptions,
        WatchedDirectory as WatchedDirectory,
    )
    from envoy_data_plane.envoy.extensions.upstreams.http.v3 import (
        HttpProtocolOptionsAutoHttpConfig as HttpProtocolOptionsAutoHttpConfig,
        HttpProtocolOptionsExplicitHttpConfig as HttpProtocolOptionsExplicitHttpConfig,
        HttpProtocolOptionsOutlierDetection as HttpProtocolOptionsOutlierDetection,
        HttpProtocolOptionsUseDownstreamHttpConfig as HttpProtocolOptionsUseDownstreamHttpConfig,
    )
    from envoy_data_plane.xds.type.matcher.v3 import (
        Matcher as Matcher,
        MatcherMatcherList as MatcherMatcherList,
        MatcherMatcherListFieldMatcher as MatcherMatcherListFieldMatcher,
        MatcherMatcherListPredicate as MatcherMatcherListPredicate,
        MatcherMatcherListPredicatePredicateList as MatcherMatcherListPredicatePredicateList,
        MatcherMatcherListPredicateSinglePredicate as MatcherMatcherListPredicateSinglePredicate,
        MatcherMatcherTree as MatcherMatcherTree,
        MatcherMatcherTreeMatchMap as MatcherMatcherTreeMatchMap,
        MatcherOnMatch as MatcherOnMatch,
    )

    from xds.envoyapi.lacking import BodySizeLimit as BodySizeLimit

    from envoy_data_plane.envoy.config.core import v3 as _core
    from envoy_data_plane.envoy.config.rbac import v3 as _rbac
    from envoy_data_plane.envoy.extensions.access_loggers.stats import v3 as _stats_access_log
    from envoy_data_plane.envoy.extensions.filters.http.rbac import v3 as _rbac_filter
    from envoy_data_plane.envoy.extensions.filters.http.header_mutation import v3 as _header_mutation
    from envoy_data_plane.envoy.extensions.http.early_header_mutation.header_mutation import v3 as _early_mutation
    from envoy_data_plane.envoy.extensions.filters.http.set_filter_state import v3 as _set_filter_state
    from envoy_data_plane.envoy.extensions.filters.http.set_metadata import v3 as _set_metadata
    from envoy_data_plane.envoy.extensions.filters.udp.udp_proxy import v3 as _udp_proxy
    from envoy_data_plane.envoy.extensions.upstreams.http import v3 as _upstreams_http
    from envoy_data_plane.xds.core import v3 as _xds_core
    from envoy_data_plane.xds.type.matcher import v3 as _xds_matcher

    ClusterHttpProtocolOptions = _upstreams_http.HttpProtocolOptions
    CoreRetryPolicy = _core.RetryPolicy
    HeaderMutationFilter = _header_mutation.HeaderMutation
    HeaderMutationPerRoute = _header_mutation.HeaderMutationPerRoute
    EarlyHeaderMutation = _early_mutation.HeaderMutation
    RbacAction = _rbac.RbacAction
    RbacFilter = _rbac_filter.Rbac
    RbacPerRoute = _rbac_filter.RbacPerRoute
    RbacPermission = _rbac.Permission
    RbacPolicy = _rbac.Policy
    RbacPrincipal = _rbac.Principal
    RbacPrincipalSet = _rbac.PrincipalSet
    RbacRules = _rbac.Rbac
    SetFilterState = _set_filter_state.Config
    StatsAccessLog = _stats_access_log.Config
    StatsAccessLogCounter = _stats_access_log.ConfigCounter
    StatsAccessLogHistogram = _stats_access_log.ConfigHistogram
    StatsAccessLogHistogramUnit = _stats_access_log.ConfigHistogramUnit
    StatsAccessLogStat = _stats_access_log.ConfigStat
    StatsAccessLogTag = _stats_access_log.ConfigTag
    UdpProxyRoute = _udp_proxy.Route
    XdsCidrRange = _xds_core.CidrRange
    SetMetadata = _set_metadata.Config
    SetMetadataEntry = _set_metadata.Metadata
    XdsRegexMatcher = _xds_matcher.RegexMatcher
    XdsRegexMatcherGoogleRe2 = _xds_matcher.RegexMatcherGoogleRe2
    XdsStringMatcher = _xds_matcher.StringMatcher
    XdsTypedExtensionConfig = _xds_core.TypedExtensionConfig

_FULL_NAMES = {
    "CidrRange": "envoy.config.core.v3.CidrRange",
    "ClusterHttpProtocolOptions": "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    "CoreRetryPolicy": "envoy.config.core.v3.RetryPolicy",
    "EarlyHeaderMutation": "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
    "Filter": "envoy.config.listener.v3.Filter",
    "FilterChain": "envoy.config.listener.v3.FilterChain",
    "HeaderMutation": "envoy.config.common.mutation_rules.v3.HeaderMutation",
    "HeaderMutationFilter": "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
    "HttpService": "envoy.extensions.filters.http.ext_authz.v3.HttpService",
    "HttpProtocolOptions": "envoy.config.core.v3.HttpProtocolOptions",
    "Matcher": "xds.type.matcher.v3.Matcher",
    "MatcherMatcherList": "xds.type.matcher.v3.Matcher.MatcherList",
    "MatcherMatcherListFieldMatcher": "xds.type.matcher.v3.Matcher.MatcherList.FieldMatcher",
    "MatcherMatcherListPredicate": "xds.type.matcher.v3.Matcher.MatcherList.Predicate",
    "MatcherMatcherListPredicatePredicateList": "xds.type.matcher.v3.Matcher.MatcherList.Predicate.PredicateList",
    "MatcherMatcherListPredicateSinglePredicate": "xds.type.matcher.v3.Matcher.MatcherList.Predicate.SinglePredicate",
    "MatcherMatcherTree": "xds.type.matcher.v3.Matcher.MatcherTree",
    "MatcherMatcherTreeMatchMap": "xds.type.matcher.v3.Matcher.MatcherTree.MatchMap",
    "MatcherOnMatch": "xds.type.matcher.v3.Matcher.OnMatch",
    "Metadata": "envoy.config.core.v3.Metadata",
    "QuicProtocolOptions": "envoy.config.listener.v3.QuicProtocolOptions",
    "RbacAction": "envoy.config.rbac.v3.RBAC.Action",
    "RbacFilter": "envoy.extensions.filters.http.rbac.v3.RBAC",
    "RbacPerRoute": "envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
    "RbacPermission": "envoy.config.rbac.v3.Permission",
    "RbacPolicy": "envoy.config.rbac.v3.Policy",
    "RbacPrincipal": "envoy.config.rbac.v3.Principal",
    "RbacPrincipalSet": "envoy.config.rbac.v3.Principal.Set",
    "RbacRules": "envoy.config.rbac.v3.RBAC",
    "RegexMatcher": "envoy.type.matcher.v3.RegexMatcher",
    "RegexMatcherGoogleRe2": "envoy.type.matcher.v3.RegexMatcher.GoogleRE2",
    "RetryPolicy": "envoy.config.route.v3.RetryPolicy",
    "RetryPolicyRetryHostPredicate": "envoy.config.route.v3.RetryPolicy.RetryHostPredicate",
    "RetryPolicyRetryPriority": "envoy.config.route.v3.RetryPolicy.RetryPriority",
    "Route": "envoy.config.route.v3.Route",
    "SetFilterState": "envoy.extensions.filters.http.set_filter_state.v3.Config",
    "SetMetadata": "envoy.extensions.filters.http.set_metadata.v3.Config",
    "SetMetadataEntry": "envoy.extensions.filters.http.set_metadata.v3.Metadata",
    "StatsAccessLog": "envoy.extensions.access_loggers.stats.v3.Config",
    "StatsAccessLogCounter": "envoy.extensions.access_loggers.stats.v3.Config.Counter",
    "StatsAccessLogHistogram": "envoy.extensions.access_loggers.stats.v3.Config.Histogram",
    "StatsAccessLogHistogramUnit": "envoy.extensions.access_loggers.stats.v3.Config.Histogram.Unit",
    "StatsAccessLogStat": "envoy.extensions.access_loggers.stats.v3.Config.Stat",
    "StatsAccessLogTag": "envoy.extensions.access_loggers.stats.v3.Config.Tag",
    "StringMatcher": "envoy.type.matcher.v3.StringMatcher",
    "Tracing": "envoy.config.route.v3.Tracing",
    "TypedExtensionConfig": "envoy.config.core.v3.TypedExtensionConfig",
    "UdpProxyRoute": "envoy.extensions.filters.udp.udp_proxy.v3.Route",
    "XdsCidrRange": "xds.core.v3.CidrRange",
    "XdsRegexMatcher": "xds.type.matcher.v3.RegexMatcher",
    "XdsRegexMatcherGoogleRe2": "xds.type.matcher.v3.RegexMatcher.GoogleRE2",
    "XdsStringMatcher": "xds.type.matcher.v3.StringMatcher",
    "XdsTypedExtensionConfig": "xds.core.v3.TypedExtensionConfig",
}


# Hidden from mypy, which would take every misspelt name for an EnvoyType.
if not typing.TYPE_CHECKING:

    def __getattr__(name: str) -> EnvoyType:
        if not name[0].isupper():
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return globals().setdefault(name, EnvoyType(_FULL_NAMES.get(name, name)))
