"""Text that comes from users and is repeated in messages."""

from typing import Final


def shown(text: str) -> str:
    """Quote a user's text for a message: shortened, and with everything escaped that a terminal could act on.

    Only printable characters stay as they are (https://docs.python.org/3/library/stdtypes.html#str.isprintable), so
    marks that change the direction of text are escaped too. The ellipsis of a shortened text stands outside the quotes,
    because the user didn't write it.
    """
    return repr(text) if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]!r}…"


_SHOWN_CHARACTERS: Final = 80
