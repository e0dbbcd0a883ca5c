"""The configuration of an API client, made by `kubernetes.aio`: of a kubeconfig with exec plugins, or of a Pod."""

import asyncio
import binascii
import logging
from typing import TYPE_CHECKING, Any, Final

from xds.kubeapi.kubeconfig import Access, CredentialsError, Kubeconfig

if TYPE_CHECKING:
    from kubernetes.aio.client import Configuration

MISCONFIGURED: Final = (CredentialsError, OSError, ValueError, TypeError, KeyError, AttributeError, IndexError)
"""Errors that `kubernetes.aio` raises for files with unexpected content."""


async def configuration(access: Access) -> "Configuration":
    """The configuration as `kubernetes.aio` reads the files.

    Raises:
        MISCONFIGURED: the files can't be used.
    """
    from kubernetes.aio import config  # noqa: PLC0415 -- the import takes 0.5 s
    from kubernetes.aio.client import Configuration  # noqa: PLC0415

    made = Configuration()
    if access.kubeconfig is None:
        _in_cluster(config, made)
        return made
    await _from_kubeconfig(await asyncio.to_thread(Kubeconfig.read, access.kubeconfig), made)
    return made


async def _from_kubeconfig(found: Kubeconfig, configuration: "Configuration") -> None:
    """Take address and credentials of a kubeconfig; an exec plugin may run."""
    from kubernetes.aio.config import ConfigException, kube_config  # noqa: PLC0415 -- the import takes 0.5 s

    plugin = _LastMessage()
    logger = logging.getLogger(kube_config.__name__)
    logger.addHandler(plugin)
    try:
        loader: Any = kube_config.KubeConfigLoader(found.document, config_base_path=str(found.folder))  # type: ignore[no-untyped-call]
        await loader.load_and_set(configuration)
    except ConfigException as error:
        raise CredentialsError(one_line(error)) from None
    except binascii.Error as error:
        raise CredentialsError(f"the base64 of a certificate or a key can't be decoded: {error}") from None
    except (TypeError, KeyError, AttributeError, IndexError):
        raise CredentialsError(f"a field of its cluster or of its user {found.user!r} has a wrong type") from None
    finally:
        logger.removeHandler(plugin)
    has_credentials = configuration.api_key or configuration.cert_file
    if found.user and found.server.startswith("https") and not has_credentials:
        why = f": {plugin.message}" if plugin.message else ""
        raise CredentialsError(f"it gives the user {found.user!r} no credentials{why}")


class _LastMessage(logging.Handler):
    """Keeps what `kubernetes.aio` logs of an exec plugin that failed, which it tells in no other way."""

    message = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.message = " ".join(record.getMessage().split())


def _in_cluster(config: Any, configuration: "Configuration") -> None:
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException as error:
        raise CredentialsError(one_line(error)) from None


def one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text or type(error).__name__
