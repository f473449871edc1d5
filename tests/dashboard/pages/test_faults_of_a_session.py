"""Faults of one session's work: a sentence there, and the next session and the next run go on."""

import pytest

from dashboard.shell import build_page

FAULTS = {
    "a formula that overflows": ("target=formula&formula=exp(exp(x**2))*1e300", ""),
    "a formula that is no law": ("target=formula&formula=-x**4", "normalis"),
    "steps that are far too long": ("solver=euler&steps=5&sigma=50", ""),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_a_picture_is_a_sentence_and_the_next_run_works(one, wait, name, caplog):
    query, words = FAULTS[name]
    view = one(f"paths=500&steps=20&{query}")
    tab = view.tab("line")
    wait(lambda: tab.stage.error or not tab.stage.busy)
    if words:
        assert words in tab.stage.error
    assert "Something went wrong" not in tab.stage.error
    assert not [record for record in caplog.records if record.exc_info]
    other = one("paths=500&steps=20").tab("line")
    wait(lambda: not other.stage.busy)
    assert other.stage.error == ""


@pytest.mark.parametrize("metropolis", ["true", "false"])
def test_a_step_of_a_chain_that_is_far_too_large_ends_that_chain_alone(one, wait, metropolis):
    view = one(f"tab=langevin&epsilon=0.5&therm=0&target=quartic&coupling=6&mu2=4&chains=50&metropolis={metropolis}")
    tab = view.tab("langevin")
    if metropolis == "false":
        wait(lambda: tab.stage.error)
        assert "too large" in tab.stage.error
    else:
        wait(lambda: "steps" in tab.line.object)
        assert tab.stage.error == ""
    tab.close()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (
            "page=lattice&lam=-1",
            "lam = &#x27;-1&#x27; in the address cannot be used: it must be a number from 0 to 0.2",
        ),
        ("page=lattice&kappa=nan", "kappa = &#x27;nan&#x27; in the address cannot be used"),
        ("page=lattice&L=4096", "STOQLAB_LIMIT_LATTICE_SIDE"),
        ("page=diffusion&lam=-1", "lam = &#x27;-1&#x27; in the address cannot be used"),
    ],
)
def test_an_address_that_cannot_be_is_a_sentence_on_its_page(query, said):
    _, shell = build_page(f"?{query}")
    assert said in " ".join(alert.object for alert in shell.messages)
    shell.close()
