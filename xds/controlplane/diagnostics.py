"""Facts about the process of `xds serve`, for the debug API."""

import socket

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from xds.controlplane.settings import Settings
from xds.kube.source import Source
from xds.logs import recent_lines, without_passwords
from xds.reporting.reporter import Reporter
from xds.server.debug.process_facts import LeaderFacts, ProcessFacts
from xds.server.tls import ServerTls
from xds.sources.apiserver.source import ApiServer


def process_facts(
    settings: Settings,
    source: Source,
    registry: CollectorRegistry,
    tls: ServerTls | None,
    reporter: Reporter | None,
) -> ProcessFacts:
    """The facts of a server.

    Args:
        settings: Of the server.
        source: The source of its objects.
        registry: Its metrics.
        tls: Mutual TLS of --listen; None: plaintext.
        reporter: None with a folder as the source.
    """

    def leader() -> LeaderFacts:
        figures = reporter.figures if reporter else None
        return LeaderFacts(elects=True, leads=figures.leads, holder=figures.holder) if figures else LeaderFacts()

    def addresses() -> list[str]:
        published = reporter.published if reporter else ()
        return [each.ip or each.hostname for each in published]

    return ProcessFacts(
        name=socket.gethostname(),
        source=without_passwords(str(settings.source)),
        waiting_for=source.waiting_for,
        is_current=source.is_current,
        behind_since=source.behind_since if isinstance(source, ApiServer) else dict,
        leader=leader,
        addresses=addresses,
        certificates=(lambda: tls.own_certificates) if tls else tuple,
        metrics=lambda: generate_latest(registry).decode(),
        log_lines=recent_lines,
        flags={name: without_passwords(value) for name, value in settings.flags.items()},
    )
