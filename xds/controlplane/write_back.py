"""Writes statuses, Events and the Lease back to the cluster of the source: runs `xds.reporting` in `xds serve`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from xds.controlplane.pipeline import Pipeline
from xds.controlplane.settings import ClusterSource, Settings
from xds.kube.source import SourceError
from xds.kubeapi.client import ApiClient
from xds.kubeapi.kubeconfig import Access
from xds.problems.problem import Key, Problem
from xds.reporting.reporter import SERVICE_ACCOUNT_NAMESPACE, Reporter, ReportingOptions, lease_name


@contextlib.asynccontextmanager
async def write_back(
    settings: Settings, pipeline: Pipeline, report: Callable[[tuple[Problem, ...]], None]
) -> AsyncIterator[Reporter | None]:
    """Run a reporter, which releases its Lease at the end. None: the source is a folder.

    Args:
        settings: Of the server.
        pipeline: The objects and problems to report.
        report: Receives the problems of the Service of --publish-service.

    Raises:
        SourceError: the client configuration can't be used.
    """
    source = settings.source
    if not isinstance(source, ClusterSource):
        yield None
        return
    lease = Key(await _namespace(source.access), settings.lease_name or lease_name(settings.classes))
    client = await ApiClient.create(source.access)
    translate = settings.translate
    options = ReportingOptions(
        lease, settings.publish, source.namespaces, translate.config_maps, gateway=translate.gateway
    )
    reporter = Reporter(client, pipeline.state, lambda: pipeline.problems, options, report)
    task = asyncio.create_task(reporter.run())
    try:
        yield reporter
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.close()


async def _namespace(access: Access) -> str:
    """The namespace of the Pod, or of the kubeconfig's current context."""
    if access.kubeconfig is None:
        try:
            return await asyncio.to_thread(SERVICE_ACCOUNT_NAMESPACE.read_text)
        except OSError as error:
            text = f"{SERVICE_ACCOUNT_NAMESPACE}: {error.strerror}; mount the namespace of the ServiceAccount too"
            raise SourceError(text) from None
    return await asyncio.to_thread(access.namespace)
