"""The Dockerfile agrees with the chart's Pods, with .dockerignore and with the interpreter of a virtual environment.

Excludes: the build, for which there is no base image here; tests/release/test_image_tree.py runs its script.
"""

import re

from dockerfile_parse import DockerfileParser

from tests.support.image_tree import ROOT, let_through
from tests.support.manifests import CONTROL_PLANE, Object, find, needs_kubectl

PARSED = DockerfileParser(path=str(ROOT), cache_content=True)


def pod() -> Object:
    spec: Object = find("Deployment", CONTROL_PLANE)["spec"]["template"]["spec"]
    return spec


def final_stage() -> dict[str, str]:
    """The instructions of the last stage; of several equal ones the last."""
    last = max(index for index, each in enumerate(PARSED.structure) if each["instruction"] == "FROM")
    return {each["instruction"]: each["value"] for each in PARSED.structure[last:]}


def test_both_stages_have_one_base_that_a_release_can_name_by_digest() -> None:
    stages = [each["value"].split()[0] for each in PARSED.structure if each["instruction"] == "FROM"]
    assert stages == ["${BASE}", "${BASE}"], "a virtual environment belongs to one Python"
    [base] = [each["value"] for each in PARSED.structure if each["value"].startswith("BASE=")]
    assert re.fullmatch(r"BASE=python:3\.\d+-slim-\w+", base)


@needs_kubectl
def test_the_image_runs_as_the_user_and_with_the_ports_of_its_pod() -> None:
    final = final_stage()
    user = pod()["securityContext"]["runAsUser"]
    assert final["USER"] == f"{user}:{user}"
    assert final["ENTRYPOINT"] == '["env", "--block-signal=TERM,INT,QUIT", "xds"]'
    [container] = [each for each in pod()["containers"] if each["name"] == "xds"]
    assert final["EXPOSE"].split() == [str(each["containerPort"]) for each in container["ports"]]


def test_the_build_copies_files_that_dockerignore_lets_through() -> None:
    copies = [each["value"].split() for each in PARSED.structure if each["instruction"] == "COPY"]
    copied = {source.rstrip("/") for words in copies if not words[0].startswith("--from") for source in words[:-1]}
    assert copied == set(let_through())
    assert all((ROOT / each).exists() for each in copied)
