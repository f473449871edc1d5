"""Ensembles made on the spot: shared among sessions, kept, and in equilibrium."""

import threading

import numpy as np
import pytest
import torch

from core.contracts import Cancelled
from core.jobs import Token
from core.noise import Noise
from core.samplers.ensemble import thermalise_by_clusters
from core.theories.phi4 import Phi4
from dashboard.pages.diffusion import ensembles
from dashboard.pages.diffusion.ensembles import Ensemble, Request, make


def counted(monkeypatch) -> list[Phi4]:
    """The theory of each computation that begins from now on."""
    begun, usual = [], ensembles.thermalise_by_clusters

    def thermalise(theory, *arguments, **options):
        begun.append(theory)
        return usual(theory, *arguments, **options)

    monkeypatch.setattr(ensembles, "thermalise_by_clusters", thermalise)
    return begun


def test_sessions_that_wait_for_one_ensemble_share_its_computation(monkeypatch):
    begun = counted(monkeypatch)
    request = Request(Phi4(16, 0.21, 0.022), 64, 150, 7)
    seen: list[list] = [[], []]
    threads = [threading.Thread(target=lambda s=s: s.extend(make(request, Token()))) for s in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(begun) == 1
    assert seen[0][-1] is seen[1][-1]
    assert isinstance(seen[0][-1], Ensemble)
    for reports in seen:
        done = [report.done for report in reports[:-1]]
        assert done == sorted(set(done))
    assert not ensembles._making
    *_, alone = thermalise_by_clusters(request.theory, 64, Noise(7).of("ensemble"), 150, every=ensembles.EVERY)
    assert torch.equal(seen[0][-1].fields, alone.fields)


@pytest.mark.parametrize("leaves", ["cancelled", "closed"])
def test_a_session_that_leaves_does_not_end_the_others_computation(monkeypatch, leaves):
    begun = counted(monkeypatch)
    request = Request(Phi4(8, 0.21, 0.022), 16, 60, 7)
    token = Token()
    first, second = make(request, token), make(request, Token())
    assert next(first).done == ensembles.EVERY
    assert next(second).done == 2 * ensembles.EVERY  # it takes its turn
    if leaves == "cancelled":
        token.cancel()
        with pytest.raises(Cancelled):
            next(first)
    else:
        first.close()
    *reports, ensemble = second
    assert isinstance(ensemble, Ensemble)
    assert reports[-1].done == 60
    assert len(begun) == 1


def test_when_the_last_session_leaves_the_computation_ends_and_another_can_begin(monkeypatch):
    begun = counted(monkeypatch)
    request = Request(Phi4(8, 0.21, 0.022), 16, 40, 7)
    token = Token()
    first = make(request, token)
    next(first)
    token.cancel()
    with pytest.raises(Cancelled):
        next(first)
    assert not ensembles._making
    *_, ensemble = make(request, Token())
    assert isinstance(ensemble, Ensemble)
    assert len(begun) == 2


def test_a_session_waits_for_anothers_turn_no_longer_than_it_is_wanted():
    request = Request(Phi4(8, 0.21, 0.022), 16, 40, 7)
    first, token = make(request, Token()), Token()
    report = next(first)
    second = make(request, token)
    with ensembles._making[request].turn:  # the first is at work
        assert next(second) is report
        token.cancel()
        with pytest.raises(Cancelled):
            next(second)
    *_, ensemble = first
    assert isinstance(ensemble, Ensemble)


def test_the_oldest_ensemble_is_forgotten(monkeypatch):
    monkeypatch.setattr(ensembles, "KEPT", 2)
    requests = [Request(Phi4(4, kappa, 0.022), 8, 12, 0) for kappa in (0.1, 0.15, 0.2)]
    for request in requests:
        *_, ensemble = make(request, Token())
        assert isinstance(ensemble, Ensemble)
    assert list(ensembles._kept) == requests[1:]


def test_the_ensemble_is_in_equilibrium_and_a_short_one_says_that_it_is_not():
    """Schwinger–Dyson: 2(1-2λ)⟨φ²⟩ + 4λ⟨φ⁴⟩ - 2κ⟨φ Σ_nn φ⟩ = 1 at each site."""
    theory = Phi4(16, 0.21, 0.022)
    *_, ensemble = make(Request(theory, 128, 150, 1), Token())
    assert isinstance(ensemble, Ensemble)
    phi = ensemble.fields.double().numpy()
    neighbours = sum(np.roll(phi, s, axis) for s in (1, -1) for axis in (1, 2))
    each = 2 * (1 - 2 * 0.022) * phi**2 + 4 * 0.022 * phi**4 - 2 * 0.21 * phi * neighbours
    mean = each.mean(axis=(1, 2))
    assert abs(mean.mean() - 1) < 5 * mean.std(ddof=1) / np.sqrt(len(mean))
    assert ensemble.warning is None
    assert ensemble.report.magnetisation.shape == (128, 150)
    *_, hasty = make(Request(Phi4(32, 0.27, 0.022), 64, 8, 1), Token())
    assert isinstance(hasty, Ensemble)
    assert "not in equilibrium" in (hasty.warning or "")
