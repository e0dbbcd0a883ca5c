"""The URLs of auth-url and auth-signin, and the variables in them.

Source: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/internal/ingress/annotations/authreq/main.go
"""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qs

from xds.problems.problem import Key
from xds.problems.text import shown
from xds.traffic.authorizer import AuthorizerUrl
from xds.translate.names import InvalidError, is_label
from xds.translate.nginx.annotation import Grammar, InvalidValueError
from xds.translate.nginx.grammars import MAX_CHARACTERS
from xds.translate.outside import outside_address, outside_name

_CHARACTERS: Final = re.compile(r"[-A-Za-z0-9._~/:, ?&=$]*")
_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[^/?:]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>[/?].*)?", re.IGNORECASE
)
_SIGN_IN: Final = re.compile(r"(?:https?://|\$(?:pass_access_)?scheme://|/(?!/)).+", re.IGNORECASE)
_PARAMETER: Final = re.compile(r"[-A-Za-z0-9._~/:,?&=]*")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

VARIABLE: Final = re.compile(r"\$([A-Za-z0-9_]*)")
HOST_VARIABLES: Final = ("$host", "$http_host", "$best_http_host")
_ESCAPED_URI: Final = "escaped_request_uri"
_KNOWN: Final = {"host", "http_host", "best_http_host", "scheme", "pass_access_scheme", "request_uri", _ESCAPED_URI}


def service_of(host: str) -> Key | None:
    """The Service that a host names in full, as NAME.NAMESPACE.svc or longer; None for other hosts."""
    name, namespace, svc, *_ = (*host.split("."), "", "", "")
    return Key(namespace, name) if svc == "svc" and is_label(name) and is_label(namespace) else None


def _url(value: str) -> AuthorizerUrl:
    text = _checked(value)
    found = _URL.fullmatch(text)
    if found is None:
        raise InvalidValueError
    scheme = found["scheme"].lower()
    port = int(found["port"] or _DEFAULT_PORTS[scheme])
    if not 0 < port <= 65535:
        raise InvalidValueError(f"no port is {port}")
    path = (found["path"] or "/").replace(" ", "%20")
    return AuthorizerUrl(scheme == "https", _host_of(found["host"]), port, path if path.startswith("/") else f"/{path}")


def _host_of(written: str) -> str:
    if written in HOST_VARIABLES:
        return written
    if "$" in written:
        raise InvalidValueError(f"{shown(written)} is a host with a variable in it, and may only be one as a whole")
    return literal_host(written)


def literal_host(written: str) -> str:
    """A host that may be asked, in lower case.

    Raises:
        InvalidValueError: for no host, and for one of the proxy's own machine or network.
    """
    try:
        name = outside_address(written) or outside_name(written)
    except InvalidError as error:
        raise InvalidValueError(str(error)) from error
    if "." not in name:
        raise InvalidValueError(f"{shown(name)} has no dot")
    return name


def _checked(value: str) -> str:
    """The text without blanks at both ends, with known variables only.

    Raises:
        InvalidValueError: for other characters than ingress-nginx allows, and for other variables.
    """
    text = value.strip(" ")
    if len(text) > MAX_CHARACTERS:
        raise InvalidValueError(f"it has more than {MAX_CHARACTERS} characters")
    if not _CHARACTERS.fullmatch(text):
        raise InvalidValueError
    unknown = next((name for name in VARIABLE.findall(text) if name not in _KNOWN), None)
    if unknown is not None:
        raise InvalidValueError(f"variable ${unknown} can't be filled in")
    return text


def _sign_in(value: str) -> str:
    text = _checked(value).replace(" ", "%20")
    if not _SIGN_IN.fullmatch(text):
        raise InvalidValueError
    return text


def _parameter(value: str) -> str:
    if len(value) > MAX_CHARACTERS or not _PARAMETER.fullmatch(value):
        raise InvalidValueError
    return value


_VARIABLES: Final = (
    "of the variables $host, $http_host, $best_http_host, $scheme, $pass_access_scheme, $request_uri and "
)
URL: Final = Grammar(
    "a URL of http or https, a host with a dot or $host, and " + _VARIABLES + "$escaped_request_uri at most", _url
)
SIGN_IN: Final = Grammar(
    "a URL of http or https, or a path, and " + _VARIABLES + "$escaped_request_uri at most", _sign_in
)
PARAMETER: Final = Grammar("text of letters, digits and - . _ ~ / : , ? & =", _parameter)


def without_escaped_uri(url: AuthorizerUrl) -> str:
    """The path of a URL where nobody signs in: nginx fills $escaped_request_uri in for sign-ins alone."""
    return VARIABLE.sub(lambda found: "" if found[1] == _ESCAPED_URI else found[0], url.path)


def location(sign_in: str, parameter: str) -> str:
    """The Location of a sign-in, with the URL of the request as a parameter unless there is one of the name.

    Go knows no query where a variable stands for the scheme.
    """
    target = f"$scheme://$host{sign_in}" if sign_in.startswith("/") else sign_in
    if sign_in.startswith("$"):
        return target
    query = parse_qs(sign_in.partition("?")[2], keep_blank_values=True)
    if any(query.get(parameter, ())[:1]):
        return target
    back = f"{parameter}=$pass_access_scheme://$http_host$escaped_request_uri"
    return f"{target}{'&' if query else '?'}{back}"


def literal_path(path: str) -> str:
    """The path of a question, without query and variables, to find the route to its authorizer."""
    return VARIABLE.sub("", path.partition("?")[0])


def names(value: str) -> Iterator[str]:
    """The elements of a list with commas between."""
    return (name.strip() for name in value.split(",") if name.strip())
