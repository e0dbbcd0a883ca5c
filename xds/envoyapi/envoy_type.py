"""Stand-ins for message classes and enums: known by name at import, looked up in the schema on first use."""

import enum
import functools
import typing

from xds.envoyapi.constructor import Constructor, constructor
from xds.envoyapi.pool import full_name_of, loaded_schema, message_class


class EnvoyType:
    """A message or enum by its name in envoy-data-plane, or by its full name.

    A call with keywords builds a message, a call with a number finds an enum's member. Attributes are those of upb's
    class, or of the IntEnum.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    @functools.cached_property
    def resolved(self) -> type:
        """Upb's class, or an IntEnum.

        Raises:
            LookupError: no root in `schema.ROOTS` leads to a type of the name, or several packages have one.
        """
        full_name = self._name if "." in self._name else full_name_of(self._name)
        members = loaded_schema().members.get(full_name)
        return message_class(full_name) if members is None else _int_enum(full_name, members)

    @functools.cached_property
    def _construct(self) -> Constructor:
        return constructor(self.resolved)

    def __call__(self, number: int | None = None, /, **fields: typing.Any) -> typing.Any:
        return self._construct(fields) if number is None else self.resolved(number)

    def __getattr__(self, name: str) -> typing.Any:
        # Introspection asks for __wrapped__ and the like, and must not load the schema.
        if name.startswith("_"):
            raise AttributeError(name)
        value = getattr(self.resolved, name)
        setattr(self, name, value)
        return value

    def __getitem__(self, member: str) -> typing.Any:
        return self.resolved[member]  # type: ignore[index]  # an enum's

    def __iter__(self) -> typing.Iterator[typing.Any]:
        return iter(self.resolved)  # type: ignore[call-overload, no-any-return]  # an enum's

    def __instancecheck__(self, value: object) -> bool:
        return isinstance(value, self.resolved)

    def __or__(self, other: typing.Any) -> typing.Any:
        return typing.Union[self, other]  # noqa: UP007  # annotations such as `Cluster | None` are evaluated

    __ror__ = __or__

    def __repr__(self) -> str:
        return f"<{self._name}>"


def _int_enum(full_name: str, members: dict[str, int]) -> type[enum.IntEnum]:
    functional = typing.cast("typing.Any", enum.IntEnum)
    return typing.cast("type[enum.IntEnum]", functional(full_name.rpartition(".")[2], members, module=__name__))
