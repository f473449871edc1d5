"""What can be asked for, and the sentences for what cannot."""

import re
import shlex

import pytest

from core.cli import ensemble
from core.cli.arguments import Parser
from core.ensembles.command import command_line
from core.ensembles.request import EnsembleRequest
from core.theories.phi4 import Phi4

THEORY = Phi4(8, 0.2, 0.022)


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ({"sampler": "gibbs"}, "sampler must be one of hmc, langevin, mala, metropolis, cluster, got 'gibbs'"),
        ({"configs": 0}, "configs must be a whole number of at least 1, got 0"),
        ({"configs": 2.5}, "configs must be a whole number of at least 1, got 2.5"),
        ({"configs": None}, "configs must be a whole number of at least 1, got None"),
        ({"chains": 0}, "chains must be a whole number of at least 1, got 0"),
        ({"chains": True}, "chains must be a whole number of at least 1, got True"),
        ({"chains": 3}, "configs must be a multiple of chains, got 100 configurations in 3 chains; ask for 99 or 102"),
        ({"chains": 200}, "in 200 chains; ask for 200 of them"),
        ({"therm": -1}, "therm must be a whole number of at least 0, got -1"),
        ({"thin": 0}, "thin must be a whole number of at least 1, got 0"),
        ({"start": "lukewarm"}, "start must be one of mixed, hot, cold, got 'lukewarm'"),
        ({"protocol": "secret"}, "protocol must be one of published, got 'secret'"),
        (
            {"protocol": "published", "sampler": "mala"},
            "the published protocol is a recipe for hmc, got sampler 'mala'",
        ),
        ({"protocol": "published", "chains": 10}, "chains is fixed by the published protocol, got 10"),
        ({"protocol": "published", "therm": 7}, "therm is fixed by the published protocol, got 7"),
        ({"protocol": "published", "start": "cold"}, "the published protocol starts hot, got start 'cold'"),
        ({"protocol": "published", "parameters": {"flip": True}}, "has no sign flip"),
        ({"protocol": "published", "parameters": {"step_size": 0.1, "n_steps": 3}}, "have unit length"),
        ({"parameters": {"kind": "wolff"}}, "'kind' is no parameter of hmc"),
        ({"seed": -1}, "seed must be an integer from 0"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(what, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        EnsembleRequest(**({"theory": THEORY, "sampler": "hmc", "configs": 100} | what))


def test_the_start_follows_the_protocol():
    assert EnsembleRequest(THEORY, "hmc", 10).start == "mixed"
    assert EnsembleRequest(THEORY, "hmc", 10, protocol="published").start == "hot"


@pytest.mark.parametrize(
    "wanted",
    [
        EnsembleRequest(Phi4((8, 8), 0.2, 0.022), "hmc", 100),
        EnsembleRequest(
            Phi4((8, 6, 4), 0.1, 1e-3), "hmc", 100, 10, 5, 2,
            {"step_size": 0.1, "n_steps": 7, "integrator": "omelyan", "fourier": True, "flip": False}, "cold", None, 9,
        ),
        EnsembleRequest(Phi4((8, 6), 0.2, 0.022), "metropolis", 12, 3, 0, 1, {"overrelaxation": 2}, "hot"),
        EnsembleRequest(Phi4((8, 8), 0.2, 0.022), "cluster", 12, None, None, 3, {"kind": "swendsen-wang", "sweeps": 2}),
        EnsembleRequest(Phi4((8, 8), 0.4, 0.022), "hmc", 99, protocol="published", parameters={"step_size": 0.05}),
    ],
    ids=["automatic", "everything", "metropolis", "cluster", "published"],
)  # fmt: skip
def test_the_command_line_asks_for_the_same(wanted):
    line = command_line(wanted, "my ensembles/F.nc")
    words = shlex.split(line)
    assert words[:2] == ["stoqlab", "ensemble"]
    parser = Parser(prog="stoqlab")
    ensemble.add_to(parser.add_subparsers())
    arguments = parser.parse_args(words[1:])
    assert ensemble.request_of(arguments) == wanted
    assert str(arguments.out) == "my ensembles/F.nc"


def test_the_command_line_knows_every_name_of_the_engine():
    from core.ensembles.request import PROTOCOLS
    from core.samplers.algorithms import ALGORITHMS
    from core.samplers.starts import STARTS

    assert tuple(ALGORITHMS) == ensemble.SAMPLERS
    assert tuple(STARTS) == ensemble.STARTS
    assert PROTOCOLS == ensemble.PROTOCOLS
    assert {p for a in ALGORITHMS.values() for p in a.parameters} == set(ensemble.PARAMETERS)
