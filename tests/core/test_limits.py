"""Limits: set by the host, said in a sentence, and a mistake in them named."""

import json
import re

import pytest

from core.limits import MEANING, Limits, read_limits


def test_the_environment_wins_over_the_file(tmp_path):
    file = tmp_path / "limits.json"
    file.write_text(json.dumps({"paths": 1e6, "jobs": 2}))
    found = read_limits({"STOQLAB_LIMITS": str(file), "STOQLAB_LIMIT_JOBS": "7", "HOME": "/"})
    assert (found.paths, found.jobs) == (1_000_000, 7)
    assert found.chains == Limits().chains
    assert read_limits({}) == Limits()


@pytest.mark.parametrize(
    ("text", "variables", "says"),
    [
        (None, {"STOQLAB_LIMIT_PATHS": "many"}, "STOQLAB_LIMIT_PATHS must be a number such as 1e6, got 'many'"),
        (None, {"STOQLAB_LIMIT_PATHS": "-5"}, "the limit paths must be a positive whole number, got -5.0"),
        (None, {"STOQLAB_LIMIT_PATHS": "1.5"}, "the limit paths must be a positive whole number, got 1.5"),
        (None, {"STOQLAB_LIMIT_PATHS": "nan"}, "the limit paths must be a positive whole number"),
        (None, {"STOQLAB_LIMIT_PATHS": "inf"}, "the limit paths must be a positive whole number"),
        (None, {"STOQLAB_LIMIT_PATH": "5"}, "there is no limit 'path'; the limits are lattice_side"),
        ("[1]", {}, "must hold names and numbers"),
        ("{", {}, "cannot be read"),
        ('{"jobs": true}', {}, "the limit jobs must be a positive whole number, got True"),
        ('{"jobs": "3"}', {}, "the limit jobs must be a positive whole number, got '3'"),
    ],
)
def test_a_mistake_is_named(tmp_path, text, variables, says):
    if text is not None:
        (tmp_path / "limits.json").write_text(text)
        variables = variables | {"STOQLAB_LIMITS": str(tmp_path / "limits.json")}
    with pytest.raises(ValueError, match=re.escape(says)):
        read_limits(variables)


def test_a_missing_file_is_named():
    with pytest.raises(ValueError, match=r"STOQLAB_LIMITS: the file /nowhere\.json cannot be read"):
        read_limits({"STOQLAB_LIMITS": "/nowhere.json"})


@pytest.mark.parametrize("name", MEANING)
def test_what_is_too_much_is_refused_with_the_limit_and_how_to_change_it(name):
    limits = Limits(**{name: 10})
    limits.check(name, 10)
    with pytest.raises(ValueError, match=rf"^11 .* the 10 that this server allows.*STOQLAB_LIMIT_{name.upper()}$"):
        limits.check(name, 11)
    with pytest.raises(ValueError, match=r"^inf "):
        limits.check(name, float("inf"))
