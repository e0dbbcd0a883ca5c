"""The fleet: the builds of the connected proxies, each with its served snapshot, and objects that sessions share."""

from collections.abc import Iterable, Mapping

from xds.protocol.builds import BUILDS_LIMIT, OTHER_BUILDS, ProxyBuild
from xds.protocol.messages import Event, Variant
from xds.protocol.rejection.last_good import LastGood
from xds.protocol.rejection.trial import Candidate, Offers, Trial
from xds.protocol.responses import ResponseCache
from xds.protocol.resume import ResumedVersions
from xds.protocol.subscription import NameSets
from xds.snapshot.inlined import InlinedResource
from xds.snapshot.resource import Resource, ResourceType, route_configuration_of
from xds.snapshot.store import ChangesByType, Revision, Store
from xds.snapshot.view import Inline, InlinedView, View


class BuildFleet:
    """The proxies of one build, and the snapshot served to them: the wanted one, but for versions on trial.

    Attributes:
        proxies: The connected proxies, in the order of connection.
    """

    def __init__(self, build: ProxyBuild, wanted: Store, inline: Inline, *, vhds: bool, now: float) -> None:
        self.build = build
        self.last_good = LastGood(wanted, now)
        self.trial = Trial(self.last_good)
        self.proxies: dict[Candidate, None] = {}
        store = self.last_good.served
        self._wanted_inlined = InlinedView(wanted, inline)
        inlined = ResponseCache(InlinedView(store, inline))
        # There is no VHDS in the state of the world.
        self._caches = {Variant.SOTW: inlined, Variant.DELTA: ResponseCache(View(store)) if vhds else inlined}

    def response_cache(self, variant: Variant) -> ResponseCache:
        """The responses for streams of a variant, and their view of the served snapshot."""
        return self._caches[variant]

    def changes(self, revision: Revision, variant: Variant) -> ChangesByType:
        """The changes of a revision, as streams of a variant see them."""
        return self.response_cache(variant).view.changes(revision)

    def learn(self, events: Iterable[Event], proxy: Candidate, now: float) -> list[Revision]:
        """Take in the answers of one proxy. Returns the changes of the served snapshot for each session's `update`, in
        order.
        """
        return self.last_good.learn(events, proxy, now)

    def leave(self, proxy: Candidate, now: float) -> list[Revision]:
        """Take a proxy's end of stream for the end of its rejections. Returns the changes as in `learn`."""
        self.proxies.pop(proxy, None)
        self.trial.ended(proxy)
        return self.last_good.ended(proxy, now)

    def wants(self, resource: Resource) -> bool:
        """Whether the source wants this version; of a RouteConfiguration with virtual hosts inside, these hosts too."""
        if not isinstance(resource, InlinedResource):
            return self.last_good.wants(resource)
        wanted = self._wanted_inlined.resources(ResourceType.ROUTES).get(resource.name)
        return wanted is not None and wanted.version == resource.version

    def has_replaced(self, resource: Resource) -> bool:
        """Whether the source wants another version, so that a NACK says nothing about the wanted one.

        The NACK of virtual hosts inside a RouteConfiguration does if one part is wanted and untried.
        """
        if not isinstance(resource, InlinedResource):
            return self.last_good.has_replaced(resource)
        parts = (resource.configuration, *resource.hosts.values())
        untried = (part for part in parts if self.last_good.is_untried(part.type, part.name))
        return any(map(self.last_good.has_replaced, parts)) and not any(map(self.last_good.wants, untried))

    def offers(self, offers: Offers, variant: Variant) -> Offers:
        """Versions on trial as streams of a variant see them."""
        if ResourceType.VIRTUAL_HOST in self.response_cache(variant).view.types:
            return offers
        hosts = map(route_configuration_of, offers.get(ResourceType.VIRTUAL_HOST, ()))
        names = {*offers.get(ResourceType.ROUTES, ()), *hosts}
        view = self._wanted_inlined
        existing: Mapping[str, Resource] = view.resources(ResourceType.ROUTES)
        routes = {name: view.complete(existing[name]) for name in names if name in existing}
        others = {type_: of_type for type_, of_type in offers.items() if type_ in view.types}
        return {**others, ResourceType.ROUTES: routes} if routes else others


class Fleet:
    """The builds of one server's proxies.

    Args:
        wanted: The snapshot that the source asks for. Its owner gives each revision to `follow`.
        inline: Puts virtual hosts into a RouteConfiguration, for streams without VHDS.
        vhds: Whether delta streams get virtual hosts as resources of their own.

    Attributes:
        unnamed: Stands for the build of a stream before its first request. Nothing is served to it.
    """

    def __init__(self, wanted: Store, inline: Inline, *, vhds: bool) -> None:
        self._wanted = wanted
        self._inline = inline
        self._vhds = vhds
        self.names = NameSets()
        self.resumed_versions = ResumedVersions()
        self._builds: dict[ProxyBuild, BuildFleet] = {}
        self.unnamed = BuildFleet(ProxyBuild("", ""), Store(history=1), inline, vhds=vhds, now=0.0)

    @property
    def unfinished(self) -> bool:
        """Whether further revisions of a large change follow. Until then only endpoints are sent."""
        return self._wanted.unfinished

    @property
    def has_snapshot(self) -> bool:
        return self._wanted.revision > 0

    @property
    def builds(self) -> Iterable[BuildFleet]:
        """The builds that have or had proxies."""
        return self._builds.values()

    def join(self, build: ProxyBuild, proxy: Candidate, now: float) -> BuildFleet:
        """Add a proxy to its build."""
        found = self.build(build, now)
        found.proxies[proxy] = None
        return found

    def build(self, build: ProxyBuild, now: float) -> BuildFleet:
        """The proxies of a build. A build beyond the limit takes the place of one without proxies, if there is one."""
        told_apart = [each for each in self._builds.values() if each.build != OTHER_BUILDS]
        if build not in self._builds and len(told_apart) >= BUILDS_LIMIT:
            forgotten = next((each for each in told_apart if not each.proxies), None)
            if forgotten is None:
                build = OTHER_BUILDS
            else:
                del self._builds[forgotten.build]
        found = self._builds.get(build)
        if found is None:
            found = BuildFleet(build, self._wanted, self._inline, vhds=self._vhds, now=now)
            self._builds[build] = found
        return found

    def follow(self, revision: Revision) -> list[tuple[BuildFleet, Revision]]:
        """Take in a revision of the wanted snapshot. Returns the changes of the served ones for each session's
        `update`, by build.
        """
        served = ((build, build.last_good.follow(revision)) for build in self._builds.values())
        return [(build, change) for build, change in served if change is not None]
