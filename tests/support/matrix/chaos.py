"""kill -9 of the control plane at random moments while bad objects come and are mended: the good ones are served all
the time, and afterwards a proxy has the resources that a new proxy of a new control plane has.
"""

import asyncio
import dataclasses
import json
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.support.cluster.replica import Replica
from tests.support.envoy import Envoy
from tests.support.matrix.case import Case, without
from tests.support.matrix.site import POLL, Site, fleet
from tests.support.waiting import WAIT_LIMIT_SECONDS

KILLS: Final = 4

NAMED_BY_LISTENERS: Final = ("dynamic_route_configs ", "dynamic_active_secrets ")
"""Prefixes of names in `_held`."""


async def end_as_a_fresh_start(site: Site, cases: Sequence[Case], folder: Path) -> None:
    """Half of the cases end mended, the rest as bad as at their start.

    No case goes from good to bad: a new control plane could not know its last good version.
    """
    seed = int(os.environ.get("XDS_SEED", random.SystemRandom().randrange(10_000)))
    print(f"\nXDS_SEED={seed}")
    site.load.failed.clear()
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_kill(site, random.Random(seed)))
            both.create_task(_change(site, cases, random.Random(seed)))
        await site.until_in_sync()
        await site.load.sweep()
        await site.assert_nothing_was_refused()
        assert site.load.failed == []
        print(f"{KILLS} kills, {site.load.sent} requests to good ones so far, none failed")
        await site.rest()
        await _assert_as_fresh_ones(site, folder)
    finally:
        for case in cases:
            await site.source.delete([*case.before, *case.bad, *case.mended])


async def _kill(site: Site, chance: random.Random) -> None:
    for _ in range(KILLS):
        await asyncio.sleep(chance.uniform(0.05, 1.0))  # the random moment, not a wait
        await site.replica.kill()
        await asyncio.sleep(chance.uniform(0.0, 0.5))  # the length of the outage
        await site.replica.start()


async def _change(site: Site, cases: Sequence[Case], chance: random.Random) -> None:
    """Apply the bad states at random times, and mend every second case at a later time."""
    steps = {chance.random(): (case, False) for case in cases}
    steps |= {chance.uniform(at, 1.0): (case, True) for at, (case, _) in list(steps.items())[::2]}
    for _, (case, mended) in sorted(steps.items(), key=lambda step: step[0]):
        await asyncio.sleep(chance.uniform(0.0, 0.15))  # so that kills come in between
        if mended:
            await site.source.delete(without(case.bad, case.mended))
        await site.source.apply(case.mended if mended else case.bad)


async def _assert_as_fresh_ones(site: Site, folder: Path) -> None:
    proxy = site.doors[0].address
    fresh = Replica(site.source.flags, folder / "fresh.log", proxy)
    try:
        await fresh.start()
        async with fleet(fresh, folder, proxy, "fresh-") as doors:
            await dataclasses.replace(site, replica=fresh, doors=doors).until_in_sync()
            for old, new in zip(site.doors, doors, strict=True):
                assert await _until_equal(old.envoy, new.envoy)
    finally:
        await fresh.kill()


async def _until_equal(old: Envoy, new: Envoy) -> int:
    """The number of resources in either proxy. Acknowledged resources may be in the dump a moment later.

    Raises:
        AssertionError: The resources differ; the text names the differences.
    """
    ours: dict[str, Any] = {}
    theirs: dict[str, Any] = {}
    try:
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            while not ours or ours != theirs:
                await asyncio.sleep(POLL)
                ours, theirs = await _held(old), await _held(new)
    except TimeoutError:
        other = [name for name in ours if name in theirs and ours[name] != theirs[name]]
        more, less = sorted(ours.keys() - theirs.keys()), sorted(theirs.keys() - ours.keys())
        raise AssertionError(f"a fresh proxy: has not {more}, has besides {less}, has otherwise {other}") from None
    return len(ours)


async def _held(envoy: Envoy) -> dict[str, Any]:
    """All dynamic resources in the dump, without the time and version of their response; and without routes and
    certificates that no listener names any more, which draining filter chains keep.

    Source: https://www.envoyproxy.io/docs/envoy/latest/operations/admin#get--config_dump
    """
    found: dict[str, Any] = {}
    for config in json.loads(await envoy.get("/config_dump?include_eds"))["configs"]:
        for state, resources in config.items():
            if state.startswith("dynamic_"):
                for each in resources:
                    content = each.get("active_state", each)
                    [body] = [value for value in content.values() if isinstance(value, dict)]
                    name = body.get("name") or body["cluster_name"]
                    found[f"{state} {name}"] = _in_order(body)
    listeners = json.dumps([body for name, body in found.items() if name.startswith("dynamic_listeners ")])
    return {
        name: body
        for name, body in found.items()
        if not name.startswith(NAMED_BY_LISTENERS) or json.dumps(name.split(" ", 1)[1]) in listeners
    }


def _in_order(body: dict[str, Any]) -> dict[str, Any]:
    """The order of virtual hosts means nothing: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route.proto"""
    hosts = body.get("virtual_hosts")
    return {**body, "virtual_hosts": sorted(hosts, key=lambda each: str(each["name"]))} if hosts else body
