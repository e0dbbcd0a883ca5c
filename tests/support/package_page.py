"""docs/pypi.md, the page of the package index: README.md with links that work there.

The index knows no files of the repository. With `[project.urls] Repository` in pyproject.toml, links lead to the tag of
the version there; without, they become plain text.
"""

import re
from typing import Final

from tests.support.release_version import HOME, ROOT, VERSION

PAGE: Final = ROOT / "docs" / "pypi.md"

_LINK: Final = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")

_NOTE: Final = "Files that this page names are in the source distribution.\n\n"


def text() -> str:
    """The page as it should be."""
    readme = (ROOT / "README.md").read_text()
    return rewritten(readme, HOME)


def rewritten(readme: str, home: str) -> str:
    """`readme` for readers outside of the repository at `home`, which may be empty."""
    title, _, rest = readme.partition("\n\n")
    note = "" if home else _NOTE
    page = re.sub(r"\n{3,}", "\n\n", _LINK.sub(lambda found: _link(found, home), rest))
    return f"{title}\n\n{note}{page}"


def _link(found: re.Match[str], home: str) -> str:
    image, words, address = found.groups()
    if re.match(r"[a-z]+:|#", address):
        return found[0]
    if not home:
        return "" if image else words
    kind = "raw" if image else "blob"
    return f"{image}[{words}]({home}/{kind}/v{VERSION}/{address})"
