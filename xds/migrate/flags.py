"""The flags of ingress-nginx's controller, and the flags of `xds serve` that say the same."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from xds.migrate.values import is_true, words
from xds.migrate.verdict import Verdict

Ours: TypeAlias = Callable[[str], tuple[str, ...]]
"""From the value of a flag to our arguments."""


@dataclass(frozen=True, slots=True)
class FlagVerdict:
    """The verdict on a flag.

    Attributes:
        name: Without hyphens in front.
        verdict: How close the flag comes.
        text: What becomes of the flag.
        ours: Arguments of `xds serve`.
    """

    name: str
    verdict: Verdict
    text: str = ""
    ours: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Flag:
    verdict: Verdict
    text: str
    ours: Ours = lambda _: ()


def _same(flag: str) -> Ours:
    return lambda value: (flag, value)


def _switch(flag: str) -> Ours:
    return lambda value: (flag,) if is_true(value or "true") else ()


def _repeated(flag: str) -> Ours:
    return lambda value: tuple(part for each in value.split(",") if each.strip() for part in (flag, each.strip()))


def _exact(names: str, text: str, ours: Ours = lambda _: ()) -> Mapping[str, _Flag]:
    return dict.fromkeys(words(names), _Flag(Verdict.EXACT, text, ours))


def _approximate(names: str, text: str, ours: Ours = lambda _: ()) -> Mapping[str, _Flag]:
    return dict.fromkeys(words(names), _Flag(Verdict.APPROXIMATE, text, ours))


def _refused(names: str, text: str) -> Mapping[str, _Flag]:
    return dict.fromkeys(words(names), _Flag(Verdict.REFUSED, text))


_NO_NEED: Final = "nothing to do here"

_FLAGS: Final[Mapping[str, _Flag]] = {
    **_exact("ingress-class ingress-class-by-name controller-class", "the command line takes the class over as it is"),
    **_exact("watch-ingress-without-class", "the same flag", _switch("--watch-ingress-without-class")),
    **_exact("watch-namespace", "--namespace", _repeated("--namespace")),
    **_refused("watch-namespace-selector", "name the namespaces with --namespace; there is no selector"),
    **_exact("configmap", "--nginx-configmap"),
    **_refused("annotations-prefix", "only the prefix nginx.ingress.kubernetes.io is read; rename the annotations"),
    **_exact("default-ssl-certificate", "--default-tls-secret", _same("--default-tls-secret")),
    **_exact("default-backend-service", "--default-backend", _same("--default-backend")),
    **_exact("http-port", "the same flag; clients see the port of the load balancer"),
    **_exact("https-port", "the same flag; clients see the port of the load balancer"),
    **_exact("publish-service", "the same flag, once the old controller is gone: both would write the statuses"),
    **_exact("publish-status-address", "--publish-address, once the old controller is gone"),
    **_exact("update-status", "statuses are written while --publish-service or --publish-address is given"),
    **_approximate("update-status-on-shutdown status-update-interval", "statuses stay on shutdown"),
    **_refused("report-node-internal-ip-address", "name the addresses with --publish-address"),
    **_exact("election-id election-ttl disable-leader-election", "a Lease of the class decides who writes statuses"),
    **_exact("tcp-services-configmap", "the same flag", _same("--tcp-services-configmap")),
    **_exact("udp-services-configmap", "the same flag", _same("--udp-services-configmap")),
    **_exact("enable-ssl-passthrough", "the same flag", _switch("--enable-ssl-passthrough")),
    **_refused("enable-ssl-chain-completion", "put the whole chain into the Secret"),
    **_exact("disable-catch-all", "the same flag", _switch("--disable-catch-all")),
    **_exact("disable-svc-external-name", "the default here; --allow-external-name turns it off"),
    **_refused("enable-topology-aware-routing", "hints of EndpointSlices are not read yet"),
    **_exact("enable-annotation-validation deep-inspect disable-full-test", "every value is checked here"),
    **_approximate(
        "validating-webhook validating-webhook-certificate validating-webhook-key",
        "there is no webhook: run `xds lint` in CI, and read the Events of Ingresses",
    ),
    **_approximate(
        "enable-metrics metrics-per-host metrics-per-undefined-host report-status-classes",
        "metrics have other names, at /metrics and at Envoy's /stats/prometheus: dashboards must change",
    ),
    **_exact("healthz-port healthz-host health-check-path health-check-timeout", "/healthz and /readyz of --admin"),
    **_exact("default-server-port stream-port status-port ssl-passthrough-proxy-port", "a port inside of nginx"),
    **_refused(
        "maxmind-license-key maxmind-edition-ids maxmind-mirror maxmind-retries-count maxmind-retries-timeout",
        "there is no GeoIP",
    ),
    **_exact("post-shutdown-grace-period shutdown-grace-period", "Envoy's --drain-time-s"),
    **_exact(
        "exclude-socket-metrics time-buckets length-buckets size-buckets bucket-factor max-buckets "
        "monitor-max-batch-size profiling profiler-port internal-logger-address dynamic-configuration-retries "
        "sync-period sync-rate-limit disable-sync-events logtostderr alsologtostderr stderrthreshold",
        _NO_NEED,
    ),
    **_exact("apiserver-host certificate-authority kubeconfig", "--kubeconfig, or --in-cluster"),
    **_exact("v", "--log-level"),
}

_OFF_BY_DEFAULT: Final = frozenset(
    words(
        "enable-ssl-chain-completion enable-topology-aware-routing "
        "report-node-internal-ip-address watch-namespace-selector"
    )
)
"""Refused flags whose value false, or no value, asks for nothing."""


def flag_verdicts(flags: Mapping[str, str]) -> list[FlagVerdict]:
    """The verdict on each flag, by name."""
    return [_verdict(name, flags[name]) for name in sorted(flags)]


def _verdict(name: str, value: str) -> FlagVerdict:
    known = _FLAGS.get(name)
    if known is None:
        return FlagVerdict(name, Verdict.APPROXIMATE, "ingress-nginx 1.15 has no flag of this name")
    if known.verdict is Verdict.REFUSED and name in _OFF_BY_DEFAULT and value in ("false", ""):
        known = replace(known, verdict=Verdict.EXACT, text="off, as here")
    return FlagVerdict(name, known.verdict, known.text, known.ours(value))
