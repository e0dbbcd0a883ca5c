"""Regular expressions that PCRE, RE2 and Python read alike, and the size of their programs in RE2.

Users write PCRE for nginx, Envoy runs RE2, and the matcher runs Python's `re`. Text of a user is parsed here and
written anew, so that nothing else reaches a proxy. RE2: https://github.com/google/re2/wiki/Syntax
"""

import re
from dataclasses import dataclass
from typing import Final

MAX_PROGRAM_SIZE: Final = 100
"""Envoy rejects a resource with a larger program: re2.max_program_size.error_level in
https://www.envoyproxy.io/docs/envoy/latest/configuration/operations/runtime
"""

_BASE: Final = 4
"""The size of an empty program."""

_MAX_CHARACTERS: Final = 1000
_MAX_DEPTH: Final = 20
_MAX_REPEATS: Final = 1000

_QUANTIFIER: Final = re.compile(r"([*+?]|\{([0-9]{1,5})(?:(,)([0-9]{0,5}))?\})([?+]?)")
_RANGE_OF_CLASS: Final = re.compile(r"\[:(\^?)([a-z]+):\]")

_ALL: Final = frozenset(range(128))
_DIGITS: Final = frozenset(b"0123456789")
_LOWER: Final = frozenset(b"abcdefghijklmnopqrstuvwxyz")
_UPPER: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_LETTERS: Final = _LOWER | _UPPER
_WORD: Final = _LETTERS | _DIGITS | frozenset(b"_")
_SPACE: Final = frozenset(b"\t\n\f\r ")
_PUNCTUATION: Final = frozenset(range(0x21, 0x7F)) - _LETTERS - _DIGITS

_CLASSES: Final = {"d": _DIGITS, "w": _WORD, "s": _SPACE}
_NAMED: Final = {
    "alnum": _LETTERS | _DIGITS,
    "alpha": _LETTERS,
    "digit": _DIGITS,
    "lower": _LOWER,
    "upper": _UPPER,
    "punct": _PUNCTUATION,
    "space": _SPACE | frozenset(b"\v"),
    "word": _WORD,
    "xdigit": _DIGITS | frozenset(b"abcdefABCDEF"),
}
_CHARACTERS: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "a": "\a"}
_PLACES: Final = {"A": "^", "z": "$", "Z": "$", "b": r"\b", "B": r"\B"}

_UNICODE_RANGES: Final = 10
"""The steps for a character that isn't ASCII, as UTF-8."""


class RegexError(ValueError):
    """A regular expression that not all of PCRE, RE2 and Python know, or that is too large."""


@dataclass(frozen=True, slots=True)
class Regex:
    """A regular expression.

    Attributes:
        text: For RE2 and for Python's `re` with `re.ASCII`, each alike.
        size: An upper bound of the size of the program in RE2.
        groups: The number of capturing groups.
    """

    text: str
    size: int
    groups: int


def parsed(written: str, *, ignore_case: bool = False) -> Regex:
    """A regular expression as PCRE reads the text.

    Args:
        written: The text. `(?i)` in front has the effect of `ignore_case`.
        ignore_case: Whether upper and lower case are alike.

    Raises:
        RegexError: not all of PCRE, RE2 and Python know the syntax. The size is not bounded.
    """
    if len(written) > _MAX_CHARACTERS:
        raise RegexError(f"it has more than {_MAX_CHARACTERS} characters")
    if written.startswith("(?i)"):
        written, ignore_case = written[4:], True
    parser = _Parser(written, ignore_case=ignore_case)
    text, size = parser.alternatives(0)
    if parser.at < len(written):
        raise RegexError("a parenthesis is closed that none opens")
    return Regex(f"(?i:{text})" if ignore_case else text, size + _BASE, parser.groups)


class _Parser:
    """A recursive descent. Methods return the text of a part and an upper bound of its size."""

    def __init__(self, written: str, *, ignore_case: bool) -> None:
        self._written = written
        self._ignore_case = ignore_case
        self.at = 0
        self.groups = 0

    def alternatives(self, depth: int) -> tuple[str, int]:
        if depth > _MAX_DEPTH:
            raise RegexError("parentheses are nested too deep")
        text, size = self._sequence(depth)
        while self._next() == "|":
            self.at += 1
            more, added = self._sequence(depth)
            text, size = f"{text}|{more}", size + added + 1
        return text, size

    def _next(self) -> str:
        return self._written[self.at : self.at + 1]

    def _sequence(self, depth: int) -> tuple[str, int]:
        text, size = "", 0
        while (sign := self._next()) and sign not in "|)":
            more, added = self._repeated(depth)
            text, size = text + more, size + added
        return text, max(size, 1)

    def _repeated(self, depth: int) -> tuple[str, int]:
        begin = self.at
        if _QUANTIFIER.match(self._written, begin):
            raise RegexError("a repetition repeats nothing")
        text, size = self._atom(depth)
        quantifier = _QUANTIFIER.match(self._written, self.at)
        if quantifier is None:
            return text, size
        self.at = quantifier.end()
        sign, least, comma, most, mode = quantifier.groups()
        if mode == "+" or _QUANTIFIER.match(self._written, self.at):
            raise RegexError("RE2 has no possessive repetition")
        if text in ("^", "$", r"\b", r"\B"):
            raise RegexError("a repetition repeats a place")
        low, high = int(least or 0), int(most or least or 0)
        if max(low, high) > _MAX_REPEATS or (most and low > high):
            raise RegexError(f"a repetition is out of order, or above {_MAX_REPEATS}")
        times = max(low, high, 1)
        is_fixed = bool(least) and not comma
        return text + sign + mode, size * times + (0 if is_fixed else times + 2)

    def _atom(self, depth: int) -> tuple[str, int]:
        sign = self._next()
        self.at += 1
        match sign:
            case "(":
                return self._group(depth)
            case "[":
                return self._class()
            case "\\":
                return self._escape()
            case ".":
                return ".", _UNICODE_RANGES + 2
            case "^" | "$":
                return sign, 1
        return self._literal(sign)

    def _group(self, depth: int) -> tuple[str, int]:
        opening = "("
        if self._next() == "?":
            if not self._written.startswith("?:", self.at):
                raise RegexError(f"RE2 has no {self._written[self.at - 1 : self.at + 2]}")
            self.at, opening = self.at + 2, "(?:"
        else:
            self.groups += 1
        text, size = self.alternatives(depth + 1)
        if self._next() != ")":
            raise RegexError("a parenthesis is never closed")
        self.at += 1
        return f"{opening}{text})", size + 2

    def _literal(self, sign: str) -> tuple[str, int]:
        if not sign.isprintable() or (self._ignore_case and not sign.isascii()):
            raise RegexError("it has a character that can't be matched")
        if self._ignore_case and sign in "kKsS":  # other cases in Unicode: the Kelvin sign, the long s
            return sign, 5
        size = 2 if self._ignore_case and sign.isalpha() else len(sign.encode())
        return re.escape(sign), size

    def _escape(self) -> tuple[str, int]:
        sign = self._next()
        self.at += 1
        if sign in _PLACES and sign:
            return _PLACES[sign], 1
        if sign.lower() in _CLASSES:
            return _class_of(_CLASSES[sign.lower()], negated=sign.isupper())
        return self._literal_of(self._character(sign))

    def _literal_of(self, sign: str) -> tuple[str, int]:
        return self._literal(sign) if sign.isprintable() else (re.escape(sign), 1)

    def _character(self, sign: str) -> str:
        """The character that a backslash and a sign stand for; the sign has been read."""
        if sign == "x" and (digits := re.compile("[0-7][0-9A-Fa-f]").match(self._written, self.at)):
            self.at += 2
            return chr(int(digits[0], 16))
        if sign in _CHARACTERS and sign:
            return _CHARACTERS[sign]
        if sign and sign.isascii() and ord(sign) in _PUNCTUATION | {0x20}:
            return sign
        raise RegexError(f"RE2 has no \\{sign}")

    def _class(self) -> tuple[str, int]:
        negated = self._next() == "^"
        self.at += negated
        members: set[int] = set()
        first = True
        while (sign := self._next()) != "]" or first:
            if not sign:
                raise RegexError("a bracket is never closed")
            first = False
            members |= self._members()
        self.at += 1
        if self._ignore_case:
            members |= {ord(chr(each).swapcase()) for each in members if each in _LETTERS}
        if not members:
            raise RegexError("a class has no character")
        folds = 6 if self._ignore_case and members & frozenset(b"ks") else 0
        text, size = _class_of(frozenset(members), negated=negated)
        return text, size + folds

    def _members(self) -> frozenset[int] | set[int]:
        """A character of a class, a range, or a class by name."""
        if named := _RANGE_OF_CLASS.match(self._written, self.at):
            self.at = named.end()
            if named[2] not in _NAMED:
                raise RegexError(f"no class has the name {named[2][:20]}")
            return _ALL - _NAMED[named[2]] if named[1] else _NAMED[named[2]]
        sign = self._written[self.at + 1 : self.at + 2]
        if self._next() == "\\" and sign.lower() in _CLASSES:
            self.at += 2
            if sign.isupper():
                raise RegexError(f"\\{sign} in a class also stands for characters beyond ASCII")
            return _CLASSES[sign]
        first = last = self._member()
        if self._next() == "-" and self._written[self.at + 1 : self.at + 2] not in ("", "]"):
            self.at += 1
            last = self._member()
        if first > last:
            raise RegexError("a range of a class is out of order")
        return set(range(first, last + 1))

    def _member(self) -> int:
        sign = self._next()
        self.at += 1
        if sign == "\\":
            sign = self._next()
            self.at += 1
            sign = self._character(sign)
        if not sign.isascii() or (sign == "[" and self._next() in (".", "=", ":")):
            raise RegexError("a class has a character that can't be matched")
        return ord(sign)


def _class_of(members: frozenset[int], *, negated: bool) -> tuple[str, int]:
    """A class as ranges. Every sign is escaped, since Python and RE2 disagree over a few that aren't."""
    text, ranges = "", 0
    for each in sorted(members):
        if each - 1 in members:
            continue
        last = next(end for end in range(each, 129) if end + 1 not in members)
        text += _escaped(each) + (f"-{_escaped(last)}" if last > each else "")
        ranges += 1
    return f"[{'^' if negated else ''}{text}]", ranges + (_UNICODE_RANGES + 2 if negated else 1)


def _escaped(code: int) -> str:
    sign = chr(code)
    return sign if sign.isalnum() else f"\\x{code:02x}" if code < 0x21 or code == 0x7F else f"\\{sign}"
