"""Every case with recorded answers of ingress-nginx through a real Envoy.

An answer is ingress-nginx's, or the one that differences.json has with the reason. A difference that is gone fails too.
"""

import os

import pytest

from tests.rows.__main__ import FILES, counts, report
from tests.rows.case import CASES, DIFFERENCES, load
from tests.rows.comparison import differences
from tests.rows.run import run
from tests.rows.world import NameServer

inside = pytest.mark.skipif("BACKENDS_PID" not in os.environ, reason="needs the namespaces of tests/rows/namespaces")


@pytest.fixture(scope="module")
def names() -> NameServer:
    return NameServer()


@inside
@pytest.mark.timeout(900)
@pytest.mark.parametrize("file", FILES)
def test_answers_are_those_of_ingress_nginx(file: str, names: NameServer, capfd: pytest.CaptureFixture[str]) -> None:
    cases = run(file, names)
    with capfd.disabled():
        print(f"\n{file}: {counts(cases)}")
    assert not report(cases), f"\n{report(cases)}"
    gone = [
        f"{case.name}, request {number}"
        for case in cases
        for number in map(int, DIFFERENCES.get(case.name, {}).get("requests", {}))
        if number not in DIFFERENCES[case.name].get("by_chance", ())
        if not differences(case.recorded(number), case.answers[number], case.answers[:number])
    ]
    assert not gone, "these answers are ingress-nginx's now: remove them from differences.json"


def test_each_file_is_run() -> None:
    assert {file.stem for file in CASES.glob("*.json")} == set(FILES)


def test_each_difference_is_of_a_case_and_has_a_reason() -> None:
    cases = {case.name: case for file in FILES for case in load(file)}
    assert DIFFERENCES.keys() <= cases.keys()
    for name, difference in DIFFERENCES.items():
        assert difference["why"]
        numbers = set(map(int, difference["requests"]))
        assert numbers <= set(range(len(cases[name].data["requests"])))
        assert numbers >= set(difference.get("by_chance", ()))
