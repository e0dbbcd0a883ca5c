"""Lists of texts and expressions, in the syntax of nginx's map."""

from collections.abc import Iterator

from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.listeners import HeaderPattern
from xds.traffic.regex import RegexError, compiled, found_anywhere
from xds.translate.nginx.configmap.key import ConfigKey
from xds.translate.nginx.configmap.reader import ConfigReader


def patterns(reader: ConfigReader, key: ConfigKey[tuple[str, ...]], max_regex_size: int) -> Iterator[HeaderPattern]:
    """The patterns of a key. An element that can't be used is a problem, and the others count.

    Source: https://nginx.org/en/docs/http/ngx_http_map_module.html
    """
    for text in reader.get(key) or ():
        pattern = text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text
        if not pattern.startswith("~"):
            yield HeaderPattern(pattern.removeprefix("\\"))
            continue
        any_case = pattern.startswith("~*")
        written = pattern.removeprefix("~").removeprefix("*")
        expression = f"{'(?i)' if any_case else ''}{found_anywhere(written)}"
        try:
            compiled(written)  # or `a)(b` would be one within the expression
            too_large = compiled(expression).programsize > max_regex_size
        except RegexError as error:
            report_element(reader, key, text, str(error))
            continue
        if too_large:
            report_element(reader, key, text, "the expression is larger than --max-regex-size")
        else:
            yield HeaderPattern(expression, is_regex=True)


def report_element(reader: ConfigReader, key: ConfigKey[tuple[str, ...]], text: str, why: str) -> None:
    """Report an element without effect."""
    message = f"{key.name} has the element {shown(text)}, which has no effect: {why}; the other elements count"
    reader.report(key, Reason.CONFIG_KEY_INVALID, message, "Correct the element.")
