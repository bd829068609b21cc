"""The script behind ``make mutants``: its rooms exist, and it leaves out changes of wording alone."""

import ast
import importlib.util
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


def _script():
    spec = importlib.util.spec_from_file_location("mutants", REPOSITORY / "scripts" / "mutants.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


mutants = _script()


def _function(body):
    return ast.parse(f"def f(x):\n    {body}").body[0]


@pytest.mark.parametrize("room", mutants.ROOMS)
def test_each_room_and_all_its_tests_are_there(room):
    assert mutants.source_of(REPOSITORY, room).exists()
    for pattern in mutants.ROOMS[room]:
        assert list((REPOSITORY / "tests").glob(pattern)), pattern
    assert len(mutants.tests_beside(REPOSITORY, room)) >= len(mutants.ROOMS[room])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("raise E('no such file')", "raise E('XXno such fileXX')", True),
        ("raise E('no such file')", "raise E(None)", False),
        ("return x['key']", "return x['KEY']", False),
        ("return x.lower()", "return x.upper()", False),
        ("return dict(a=x)", "return dict(aXX=x)", False),
        ("return x - (1 - 2)", "return x - 1 - 2", False),
    ],
)
def test_only_wording_is_the_same(one, other, same):
    equal = mutants.without_sentences(_function(one)) == mutants.without_sentences(_function(other))
    assert equal is same
