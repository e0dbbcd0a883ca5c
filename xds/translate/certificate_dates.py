"""The dates at which the judgement of a certificate changes though no object does."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

EXPIRY_WARNING: Final = timedelta(days=14)
"""Time before `notAfter` at which a certificate that nobody has renewed is reported."""

SHORT_LIVED: Final = timedelta(days=7)
"""Longest lifetime of a short-lived certificate, which is reported in the last third of its lifetime.

Source: section 1.6.1 of https://cabforum.org/working-groups/server/baseline-requirements/documents/
"""

_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Validity:
    """The period in which clients accept a certificate.

    Attributes:
        begins: `notBefore`.
        expires: `notAfter`.
    """

    begins: datetime
    expires: datetime

    @property
    def warned(self) -> datetime:
        """When the expiry is reported in advance."""
        lifetime = max(self.expires - self.begins, timedelta())
        ahead = EXPIRY_WARNING if lifetime > SHORT_LIVED else lifetime / 3
        return self.expires - ahead if self.expires - _EARLIEST > ahead else _EARLIEST

    @property
    def dates(self) -> tuple[datetime, datetime, datetime]:
        """The dates at which the problems of the certificate change."""
        return self.begins, self.warned, self.expires


@dataclass(frozen=True, slots=True)
class DatePeriod:
    """The period between two dates of certificates, in which all judgements stay the same.

    Attributes:
        since: The last date that has passed; None: none has.
        until: The next date; None: none follows.
    """

    since: datetime | None = None
    until: datetime | None = None

    @classmethod
    def around(cls, now: datetime, dates: Iterable[datetime]) -> "DatePeriod":
        since: datetime | None = None
        until: datetime | None = None
        for date in dates:
            if date <= now:
                since = date if since is None else max(since, date)
            else:
                until = date if until is None else min(until, date)
        return cls(since, until)

    def within(self, other: "DatePeriod") -> "DatePeriod":
        """The period in which the judgements of both stay the same."""
        since = [each for each in (self.since, other.since) if each]
        until = [each for each in (self.until, other.until) if each]
        return DatePeriod(max(since, default=None), min(until, default=None))

    def __contains__(self, now: datetime) -> bool:
        """Whether the judgements hold at a time, which is also earlier than `since` after a clock was put back."""
        return (self.since is None or self.since <= now) and (self.until is None or now < self.until)
