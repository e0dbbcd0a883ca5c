"""From the objects to the report: they are translated as by `xds serve`, and the results are judged."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from xds.cli.layer4_options import DEFAULT_RESERVED
from xds.cli.migration.input import Input
from xds.cli.migration.stand_ins import StandIns, stand_ins
from xds.kube.change import Applied, Change, Listed
from xds.kube.ingress_class import CLASS_ANNOTATION, ClassOptions
from xds.kube.kinds import KINDS
from xds.kube.objects import ConfigMap, Ingress, IngressClass, IngressClassSpec, KubeObject, Metadata, Secret, Service
from xds.kube.stale import Stale
from xds.kube.state import KubeState
from xds.migrate.command_line import MAX_REGEX_SIZE, command_line
from xds.migrate.config_keys import CROSS_NAMESPACE
from xds.migrate.controller import NO_CONTROLLER, USUAL_CONFIG_MAPS, Controller
from xds.migrate.gateway.conversion import Conversion, convert
from xds.migrate.inventory import Inventory
from xds.migrate.ports import entries, entry_verdicts, named_services, port_config_maps
from xds.migrate.report import Judge, PortsReport, Report, by_object, flags_and_differences
from xds.migrate.subject import Subject
from xds.migrate.values import is_true
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.problems.registry import ProblemRegistry
from xds.resources.options import ProxyOptions
from xds.steps import finish
from xds.traffic.layer4 import PortKey, Transport
from xds.translate.layer4.options import Layer4Options
from xds.translate.options import TranslateOptions
from xds.translate.translator import Translator


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user wants to be judged.

    Attributes:
        namespaces: To report on; empty: all.
        classes: Names of IngressClasses to report on; empty: those of the controller.
        takes_classless: Whether Ingresses without a class are ingress-nginx's.
        config_map: ingress-nginx's ConfigMap; None: to be found.
        flags: Of the controller; None: to be found.
        is_partial: Whether no object of the input counts as missing.
    """

    namespaces: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    takes_classless: bool = False
    config_map: Key | None = None
    flags: Mapping[str, str] | None = None
    is_partial: bool = False


_OF_CERTIFICATES: Final = frozenset(
    {
        Reason.CERTIFICATE_CHAIN_BROKEN,
        Reason.CERTIFICATE_CONFLICT,
        Reason.CERTIFICATE_EXPIRES_SOON,
        Reason.CERTIFICATE_NAMES_OTHERS,
    }
)
"""Problems of stand-ins, and not of the Ingress."""

_PROXY: Final = ProxyOptions()

_RESERVED: Final = frozenset(
    {
        *(PortKey(Transport.TCP, number) for number in (_PROXY.http_port, _PROXY.https_port, *DEFAULT_RESERVED)),
        PortKey(Transport.UDP, _PROXY.https_port),
    }
)
"""As with the defaults of `xds serve`, which the command line of the report leaves alone."""


def converted(found: Input, wish: Wish, gateway: Key, class_name: str) -> Conversion:
    """The objects of the Gateway API for the Ingresses of the input.

    Args:
        found: The input.
        wish: The Ingresses to convert.
        gateway: The Gateway to be made.
        class_name: Of the GatewayClass to be made.
    """
    judged = _Judged.of(found, wish)
    world = judged.world
    return convert(world.translator, judged.inventory.subjects, world.is_wanted, gateway, class_name)


def judge(found: Input, wish: Wish) -> Report:
    """The report on the objects of the input."""
    controller, config_map, data, classes, world, inventory = _Judged.of(found, wish)
    judging = Judge(inventory, world.translator.policy, world.problems(), world.not_judged())
    reported = (each for each in inventory.subjects if world.is_wanted(each.ingress))
    ports = tuple(world.ports(controller, judging.problems, data))
    flags, general = flags_and_differences(inventory, controller)
    services = {each.key: each for each in found.objects if isinstance(each, Service)}
    return Report(
        tuple(judging.ingress(each) for each in sorted(reported, key=lambda each: each.key)),
        config_map,
        judging.keys(config_map),
        controller,
        flags,
        ports,
        general,
        world.left_out(),
        found.unreadable,
        tuple(
            command_line(controller, classes.used(inventory), config_map, inventory, services, exposed=world.exposed)
        ),
    )


class _Judged(NamedTuple):
    """The input, translated.

    Attributes:
        config_map: ingress-nginx's ConfigMap; None if the input hasn't the ConfigMap.
        data: Its content.
    """

    controller: Controller
    config_map: Key | None
    data: Mapping[str, str] | None
    classes: "_ClassesOf"
    world: "_World"
    inventory: Inventory

    @classmethod
    def of(cls, found: Input, wish: Wish) -> "_Judged":
        controller = _controller(found, wish)
        named = wish.config_map or controller.config_map or _usual_config_map(found)
        data = _data(found, named)
        config_map = None if data is None else named
        classes = _ClassesOf(found, controller, wish)
        world = _World(found, wish, classes, _options(controller, config_map, data or {}))
        return cls(controller, config_map, data, classes, world, world.inventory(controller, data))


def _options(controller: Controller, config_map: Key | None, data: Mapping[str, str]) -> TranslateOptions:
    """The options of a server that stands for the controller."""
    return TranslateOptions(
        allow_external_name=not controller.is_on("disable-svc-external-name"),
        default_tls_secret=_key(controller.flags.get("default-ssl-certificate")),
        default_service=_key(controller.flags.get("default-backend-service")),
        is_compatible=True,
        nginx_configmap=config_map,
        max_regex_size=MAX_REGEX_SIZE,
        has_tracer=bool(data.get("otlp-collector-host")),
        has_authz=True,
        allow_cross_namespace=is_true(data.get(CROSS_NAMESPACE, "")),
        # Without known flags, the controller is taken for one that passes TLS through where an Ingress asks.
        passes_tls=controller.is_on("enable-ssl-passthrough", default=not controller.flags),
        layer4=Layer4Options(port_config_maps(controller), reserved=_RESERVED),
    )


def _controller(found: Input, wish: Wish) -> Controller:
    if wish.flags is not None:
        return Controller(wish.flags, "--controller-args")
    fitting = [each for each in found.controllers if not wish.classes or each.class_name in wish.classes]
    return next(iter((*fitting, *found.controllers)), NO_CONTROLLER)


def _usual_config_map(found: Input) -> Key | None:
    named = [each.key for each in found.objects if isinstance(each, ConfigMap) and each.key.name in USUAL_CONFIG_MAPS]
    return named[0] if len(named) == 1 else None


def _data(found: Input, config_map: Key | None) -> Mapping[str, str] | None:
    """The content of ingress-nginx's ConfigMap; None if the input hasn't the ConfigMap."""
    maps = (each for each in found.objects if isinstance(each, ConfigMap) and each.key == config_map)
    known = next(maps, None)
    return None if known is None else known.data


def _key(text: str | None) -> Key | None:
    namespace, slash, name = (text or "").partition("/")
    return Key(namespace, name) if slash and namespace and name else None


class _ClassesOf:
    """The IngressClasses of the controller. Ingresses are left out that are of other classes."""

    def __init__(self, found: Input, controller: Controller, wish: Wish) -> None:
        self._wish = wish
        self._controller = controller
        self._existing = {each.key.name: each for each in found.objects if isinstance(each, IngressClass)}
        self.options = ClassOptions(
            name=wish.classes[0] if wish.classes else controller.class_name,
            controllers=(controller.controller_name,),
            takes_classless=wish.takes_classless or controller.is_on("watch-ingress-without-class"),
            skips_catch_all=controller.is_on("disable-catch-all"),
        )

    def made(self) -> Iterator[IngressClass]:
        """IngressClasses for the names that the user gives: the input may have none, or one of another controller."""
        by_name = self._controller.is_on("ingress-class-by-name")
        for name in (*self._wish.classes, *((self._controller.class_name,) if by_name else ())):
            existing = self._existing.get(name)
            metadata = existing.metadata if existing else Metadata(name)
            yield IngressClass(metadata, IngressClassSpec(self._controller.controller_name))

    def name(self, ingress: Ingress) -> str:
        return ingress.annotations.get(CLASS_ANNOTATION) or ingress.spec.ingress_class_name or ""

    def used(self, inventory: Inventory) -> set[str]:
        """The names of classes in use; that of the controller without any."""
        return {name for each in inventory.subjects if (name := self.name(each.ingress))} or {self.options.name}


class _World:
    """All objects, translated.

    Attributes:
        exposed: The Services behind TCP and UDP ports.
    """

    def __init__(self, found: Input, wish: Wish, classes: _ClassesOf, options: TranslateOptions) -> None:
        self._wish = wish
        self._classes = classes
        whole = frozenset[type[KubeObject]]() if wish.is_partial else found.whole
        if ConfigMap in whole and all(each.key in options.config_maps for each in _config_maps(found)):
            whole -= {ConfigMap}
        self._whole = whole
        self._passes_tls = options.passes_tls
        state = KubeState(
            classes.options,
            default_tls_secret=options.default_tls_secret,
            default_service=options.default_service,
            config_maps=options.config_maps,
            config_references=options.config_references,
            annotated=options.annotated,
        )
        made = {each.ref: each for each in classes.made()}
        objects = [each for each in found.objects if each.ref not in made] + list(made.values())
        self._exposed = [
            each
            for transport, key in options.layer4.config_maps.items()
            for config_map in _config_maps(found)
            if config_map.key == key
            for each in named_services(transport, config_map)
        ]
        self.exposed = frozenset(each.service for each in self._exposed)
        self._state = state
        self._stand_ins = self._missing(found, objects, options)
        self._problems = ProblemRegistry()
        self.translator = Translator(state, options, self._problems)
        applied = [Applied(each) for each in (*objects, *self._stand_ins.objects)]
        changes: tuple[Change, ...] = (*applied, *(Listed(kind) for kind in KINDS))
        stale = Stale.union([state.apply(each) for each in changes])
        finish(self.translator.update(stale, datetime.now(UTC)))

    def _missing(self, found: Input, objects: list[KubeObject], options: TranslateOptions) -> StandIns:
        judged = KubeState(self._classes.options)
        for each in objects:
            if isinstance(each, IngressClass):
                judged.apply(Applied(each))
        ours = [each for each in objects if isinstance(each, Ingress) and judged.claim(each).ours]
        present = frozenset(each.ref for each in objects)
        config = next((each for each in _config_maps(found) if each.key == options.nginx_configmap), None)
        named = [ObjectRef(ConfigMap.kind, *key) for key in (options.config_references(config) if config else ())]
        if options.default_tls_secret:
            named.append(ObjectRef(Secret.kind, *options.default_tls_secret))
        if options.default_service:
            named.append(ObjectRef(Service.kind, *options.default_service))
        return stand_ins(ours, options.annotated, present, self._whole, named, exposed=self._exposed)

    def ports(
        self, controller: Controller, problems: Mapping[ObjectRef, list[Problem]], data: Mapping[str, str] | None
    ) -> Iterator[PortsReport]:
        """The reports on the ConfigMaps of ports."""
        reads_real_ip = is_true((data or {}).get("enable-real-ip", ""))
        for transport, key in port_config_maps(controller).items():
            known = self._state.config_map(key)
            if known is None:
                yield PortsReport(transport, key, None)
                continue
            claims = self.translator.layer4.claims_of(known.ref)
            found = entries(transport, known, claims, controller, self._state.service, reads_real_ip=reads_real_ip)
            yield PortsReport(transport, key, tuple(entry_verdicts(found, problems.get(known.ref, []))))

    def inventory(self, controller: Controller, data: Mapping[str, str] | None) -> Inventory:
        validates = controller.is_on("enable-annotation-validation", default=True)
        ours = (each for each in self._state.ingresses() if self._state.claim(each).ours)
        made = {each.ref for each in self._stand_ins.objects}

        def secret(key: Key) -> Secret | None:
            return None if ObjectRef(Secret.kind, *key) in made else self._state.secret(key)

        def config_map(key: Key) -> ConfigMap | None:
            return None if ObjectRef(ConfigMap.kind, *key) in made else self._state.config_map(key)

        return Inventory(
            tuple(Subject(each, validates) for each in ours),
            data,
            secret,
            config_map,
            has_secrets=Secret in self._whole,
            has_config_maps=ConfigMap in self._whole,
            exposed=frozenset(transport for _, transport, _ in self._exposed),
            passes_tls=self._passes_tls,
        )

    def problems(self) -> dict[ObjectRef, list[Problem]]:
        """The problems of the translation, without those of stand-ins."""
        users = self._stand_ins.users
        return by_object(
            each
            for each in self._problems.problems
            if each.reason not in _OF_CERTIFICATES
            or not any(ref.kind == Secret.kind for ref in users.get(each.object.key, ()))
        )

    def not_judged(self) -> dict[Key, tuple[str, ...]]:
        return {key: tuple(map(str, named)) for key, named in self._stand_ins.users.items()}

    def is_wanted(self, ingress: Ingress) -> bool:
        wish = self._wish
        in_namespace = not wish.namespaces or ingress.key.namespace in wish.namespaces
        return in_namespace and (not wish.classes or self._classes.name(ingress) in wish.classes)

    def left_out(self) -> dict[Key, str]:
        """The Ingresses of other classes, each with the reason."""
        claims = ((each.key, self._state.claim(each)) for each in self._state.ingresses())
        return {key: claim.why for key, claim in sorted(claims) if not claim.ours}


def _config_maps(found: Input) -> Iterator[ConfigMap]:
    return (each for each in found.objects if isinstance(each, ConfigMap))
