"""The objects of `xds migrate --to gateway-api`, as manifests and for programs."""

from collections.abc import Iterator
from typing import Any

from xds.cli.text import printable
from xds.kube.objects import Ingress
from xds.migrate.gateway.conversion import GENERAL, Conversion, Note
from xds.yaml_text import to_yaml


def manifests(conversion: Conversion) -> str:
    """The objects as documents of YAML, below comments with the differences."""
    # No text of an Ingress may end a comment.
    lines = (printable(each).replace("\n", "\\n") for each in _comments(conversion))
    comments = "".join(f"# {each}".rstrip() + "\n" for each in lines)
    return comments + "".join(f"---\n{to_yaml(each)}" for each in conversion.objects)


def _comments(conversion: Conversion) -> Iterator[str]:
    yield "Routes for Ingresses of ingress-nginx, by `xds migrate --to gateway-api`."
    for text in GENERAL:
        yield f"- {text}"
    for key, notes in conversion.notes.items():
        stays = " stays as it is, and has no HTTPRoute" if key in conversion.stays else ""
        yield ""
        yield f"{Ingress.kind} {key}{stays}:"
        for each in notes:
            yield f"- {each.about}: {each.saying}: {each.text}"


def conversion_data(conversion: Conversion) -> dict[str, Any]:
    """The conversion in JSON. Scripts depend on the keys, and on `saying`."""
    return {
        "summary": {"objects": len(conversion.objects), "stays": len(conversion.stays)},
        "objects": list(conversion.objects),
        "ingresses": [
            {
                "namespace": key.namespace,
                "name": key.name,
                "stays": key in conversion.stays,
                "notes": [_note(each) for each in notes],
            }
            for key, notes in conversion.notes.items()
        ],
        "general": list(GENERAL),
    }


def _note(note: Note) -> dict[str, Any]:
    return {"saying": note.saying, "about": note.about, "text": note.text}
