import numpy as np
import pytest
import torch

from core.cli import main
from core.diffusion.field_data import ArraySource, open_files
from core.noise import Noise

NOISE = Noise(3, "test")


def numbered(chains, draws, event=(4, 4), first=0.0):
    """Fields whose every site holds the number of the configuration, with a little noise for the fit."""
    number = first + np.arange(chains * draws, dtype=np.float32).reshape(chains, draws)
    return np.broadcast_to(number[(..., *[None] * len(event))], (chains, draws, *event)).copy()


def test_the_last_tenth_of_the_chains_is_held_out_where_there_are_ten():
    source = ArraySource([(0.2, 0.1, waves(numbered(20, 3)))])
    assert source.laws[0].configs == 54
    assert sorted(labels(source.laws[0].held_out)) == list(range(54, 60))


def test_the_last_tenth_of_the_draws_is_held_out_of_few_chains():
    source = ArraySource([(0.2, 0.1, waves(numbered(2, 20)))])
    assert sorted(labels(source.laws[0].held_out)) == [18, 19, 38, 39]


@pytest.mark.parametrize(("chains", "draws"), [(20, 3), (2, 20)])
def test_what_is_held_out_keeps_its_chains(chains, draws):
    series = ArraySource([(0.2, 0.1, waves(numbered(chains, draws)))]).laws[0].series
    assert tuple(series.shape[:2]) == (2, 3) if chains == 20 else (2, 2)
    flat = torch.tensor(labels(series.flatten(0, 1))).reshape(series.shape[:2])
    assert (flat.diff(dim=1) == 1).all()
    # Ensembles of one law whose chains differ in length count as one long chain.
    both = ArraySource([(0.2, 0.1, waves(numbered(1, 30))), (0.2, 0.1, waves(numbered(1, 50, first=100)))])
    assert tuple(both.laws[0].series.shape[:2]) == (1, 8)


def test_a_batch_holds_what_it_says_and_nothing_held_out():
    source = ArraySource([(0.2, 0.1, waves(numbered(1, 30))), (0.3, 0.1, waves(numbered(1, 50, first=100)))])
    seen = set()
    for step in range(200):
        x, which = source.batch(step, 7, NOISE)
        assert x.dtype == torch.float32
        found = labels(x)
        assert all((label >= 100) == bool(law) for label, law in zip(found, which.tolist(), strict=True))
        assert abs(int(which.sum()) - 3.5) <= 1  # the laws share it evenly
        seen |= set(found)
    assert seen == set(range(27)) | set(range(100, 145))


def test_batches_depend_on_step_and_noise_alone():
    first, second = (ArraySource([(0.2, 0.1, waves(numbered(12, 5)))]) for _ in range(2))
    assert torch.equal(first.batch(9, 16, NOISE)[0], second.batch(9, 16, NOISE)[0])
    assert not torch.equal(first.batch(9, 16, NOISE)[0], first.batch(10, 16, NOISE)[0])
    assert not torch.equal(first.batch(9, 16, NOISE)[0], first.batch(9, 16, Noise(4, "test"))[0])


def test_each_batch_has_one_lattice_and_every_law_its_turn():
    arrays = [(0.2, 0.1, waves(numbered(1, 40))), (0.3, 0.1, waves(numbered(1, 40, first=100)))]
    source = ArraySource([*arrays, (0.2, 0.1, waves(numbered(1, 40, (6, 6))))])
    assert source.events == ((4, 4), (6, 6))
    taken = np.zeros(3)
    for step in range(300):
        x, which = source.batch(step, 8, NOISE)
        assert {source.laws[k].event for k in which.tolist()} == {tuple(x.shape[1:])}
        taken += np.bincount(which, minlength=3)
    # a third each; the number of batches on the small lattice is binomial, 4.9 standard errors
    assert np.allclose(taken / taken.sum(), 1 / 3, atol=4.9 * np.sqrt(2 / 9 / 300))


def test_a_batch_that_is_smaller_than_the_laws_reaches_all_of_them():
    source = ArraySource([(0.1 + 0.01 * k, 0.1, waves(numbered(1, 20))) for k in range(10)])
    taken = sum(np.bincount(source.batch(step, 3, NOISE)[1], minlength=10) for step in range(400))
    assert taken.sum() == 1200
    assert taken.min() > 60  # 120 expected, with a spread of at most 10


def test_the_checksum_sees_fields_and_couplings():
    fields = waves(numbered(1, 40))
    learned, held_out = fields.copy(), fields.copy()
    learned[0, 0, 2, 3] += 1e-3
    held_out[0, 39, 2, 3] += 1e-3
    cases = ((0.2, fields), (0.21, fields), (0.2, learned), (0.2, held_out))
    digests = {ArraySource([(kappa, 0.1, some)]).digest for kappa, some in cases}
    assert len(digests) == 4
    assert ArraySource([(0.2, 0.1, fields.copy())]).digest in digests


def test_files_of_one_law_are_joined_and_know_their_couplings(tmp_path):
    for seed in (1, 2):
        words = f"ensemble phi4 --L 4 --kappa 0.2 --lam 0.1 --configs 40 --chains 4 --therm 20 --thin 2 --seed {seed}"
        assert main([*words.split(), "--sampler", "cluster", "--out", str(tmp_path / f"{seed}.nc"), "--json"]) == 0
    source = open_files([tmp_path / "1.nc", tmp_path / "2.nc"])
    (law,) = source.laws
    assert (law.event, law.kappa, law.lam, law.configs, len(law.held_out)) == ((4, 4), 0.2, 0.1, 72, 8)
    assert source.known
    assert law.theory is not None
    assert source.describe()["files"] == [str(tmp_path / "1.nc"), str(tmp_path / "2.nc")]
    with pytest.raises(ValueError, match="knows its couplings"):
        open_files([tmp_path / "1.nc"], 0.2, 0.1)


def test_an_array_with_and_without_couplings(tmp_path):
    np.save(tmp_path / "a.npy", waves(numbered(1, 30))[0])
    unknown, known = open_files([tmp_path / "a.npy"]), open_files([tmp_path / "a.npy"], 0.2, 0.1)
    assert not unknown.known
    assert unknown.laws[0].kappa is None
    assert known.laws[0].theory is not None
    assert unknown.digest != known.digest


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: open_files([p / "none.npy"]), "no file"),
        (lambda p: open_files([p / "few.npy"]), "at least 20 configurations, got 19"),
        (lambda p: open_files([p / "nan.npy"]), "not finite"),
        (lambda p: open_files([p / "good.npy"], 0.2), "both couplings"),
        (lambda p: open_files([p / "good.npy"], 0.2, -1), "lambda must be"),
        (lambda p: open_files([p / "good.npy", p / "other.npy"]), "only if all are known"),
        (lambda p: open_files([]), "at least one ensemble"),
    ],
)
def test_bad_files_get_a_sentence(tmp_path, make, words):
    good = waves(numbered(1, 30))[0]
    bad = good.copy()
    bad[3, 1, 1] = np.nan
    for name, array in {"good": good, "few": good[:19], "nan": bad, "other": waves(numbered(1, 30, (6, 6)))[0]}.items():
        np.save(tmp_path / f"{name}.npy", array)
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        make(tmp_path)


def waves(fields):
    """With the number of a configuration on the first site alone, and noise elsewhere, so that every mode moves."""
    x = Noise(7).normal(0, (fields.shape[0] * fields.shape[1], *fields.shape[2:]), torch.float32).numpy()
    x = x.reshape(fields.shape)
    x[:, :, 0, 0] = fields[:, :, 0, 0]
    return x


def labels(fields):
    return [int(v) for v in fields[:, 0, 0]]


def test_an_array_that_never_fluctuates_is_refused(tmp_path):
    np.save(tmp_path / "flat.npy", np.ones((40, 4, 4), np.float32))
    with pytest.raises(ValueError, match=r"flat\.npy holds sites that "):
        open_files([tmp_path / "flat.npy"])
