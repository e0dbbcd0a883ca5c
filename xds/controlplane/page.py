"""The page of `xds serve --ui`, within the control plane."""

import contextlib
from collections.abc import Callable, Hashable, Iterable

import structlog

from xds.address import HostPort
from xds.process.bind_failure import bind_failure
from xds.server.debug.answers import Answers
from xds.server.debug.messages import ProxyFigures
from xds.server.debug.page_answers import PageAnswers
from xds.server.debug.status import proxy_counts
from xds.ui.options import UiOptions
from xds.ui.server import UiServer

_log = structlog.get_logger()


async def start_page(
    options: UiOptions,
    answers: Answers,
    proxies: Callable[[], Iterable[ProxyFigures]],
    listen: str,
    stack: contextlib.AsyncExitStack,
) -> None:
    """Start the page, to be stopped by the stack. A default address that can't be bound is a warning.

    Args:
        options: Settings of the page.
        answers: Answers the page's questions.
        proxies: Returns the states of the open streams, read one by one.
        listen: The address of the control plane, for commands that the page shows.
        stack: Stops the page.

    Raises:
        OSError: the address is not the default, and can't be bound.
    """

    async def look() -> Hashable:
        counts = await proxy_counts(proxies())
        return answers.mark(), counts.SerializeToString(deterministic=True)

    costly = PageAnswers(answers)
    stack.callback(costly.close)
    server = UiServer(options, answers, costly, look, listen)
    try:
        port = await server.start()
    except OSError as error:
        await server.stop()
        if options.required:
            raise
        reason, remedy = bind_failure(options.address, error), "choose another with --ui, or --ui off"
        _log.warning("no_page", address=str(options.address), reason=reason, remedy=remedy)
        return
    stack.push_async_callback(server.stop)
    _log.info("page_listening", url=f"http://{HostPort(options.address.host, port)}/")
