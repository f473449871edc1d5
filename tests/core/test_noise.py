"""Noise by address: the generator against its published vectors, the laws, and independence of everything else."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from core import noise as module
from core.noise import Noise

# Known answers of Philox4x32-10 published with Random123 (kat_vectors): counter, key, output.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_philox_known_answers(counter, key, expected):
    words = [np.uint32(c) for c in (*counter, *key)]
    with np.errstate(over="ignore"):  # unsigned arithmetic wraps by design
        assert tuple(int(w) for w in module.philox(*words)) == expected


def test_torch_philox_has_the_same_words():
    counter = torch.tensor([0, 0x85A308D3_243F6A88 & (2**63 - 1)], dtype=torch.int64)
    for step, key in ((0, (0, 0)), (0x13198A2E, (0xA4093822, 0x299F31D0))):
        got = torch.stack(module.philox_torch(counter, step, *key), dim=-1)
        for row, c in zip(got.tolist(), counter.tolist(), strict=True):
            words = [np.uint32(w) for w in (c & 0xFFFFFFFF, c >> 32, step, 0, *key)]
            with np.errstate(over="ignore"):
                assert row == [int(w) for w in module.philox(*words)]


def test_normals_are_box_muller_of_the_words():
    """Against libm's log, cos and sin at 10⁴ counters: 4e-15 is the rounding of either."""
    source = Noise(11, "box")
    z = source.normal(7, (40_000,)).numpy().reshape(-1, 4)
    words = module.philox_torch(torch.arange(10_000), 7, *source._key)
    u = [(w.numpy() + 0.5) / 2**32 for w in words]
    r0, r1 = np.sqrt(-2 * np.log(u[0])), np.sqrt(-2 * np.log(u[2]))
    a0, a1 = 2 * np.pi * u[1], 2 * np.pi * u[3]
    expected = np.stack([r0 * np.cos(a0), r0 * np.sin(a0), r1 * np.cos(a1), r1 * np.sin(a1)], axis=-1)
    np.testing.assert_allclose(z, expected, rtol=0, atol=1e-14)


EXTREME = np.array([0, 1, 2, 2**29 - 1, 2**29, 2**30 - 1, 2**30, 3 * 2**29, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1])


def test_radius_and_angle_at_the_ends_of_their_ranges():
    for word in EXTREME.astype(np.uint32):
        u = (float(word) + 0.5) / 2**32
        # log u near u = 1 by its series argument, which keeps all digits
        log = np.log1p(-(2**32 - float(word) - 0.5) / 2**32)
        assert float(_radius(word)) == pytest.approx(np.sqrt(-2 * log), rel=1e-14)
        cos, sin = _circle(word)
        assert cos == pytest.approx(np.cos(2 * np.pi * u), abs=2e-15)
        assert sin == pytest.approx(np.sin(2 * np.pi * u), abs=2e-15)


@module.nb.njit
def _radius(word):
    return module.box_muller_radius(word)


@module.nb.njit
def _circle(word):
    return module._circle(word)


@pytest.mark.parametrize("start", [0, 1, 2, 3, 4, 2**34 + 1])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 8, 1001])
def test_torch_and_numba_agree(start, count):
    source = Noise(3)
    compiled = np.full(count, np.nan)
    module.fill_normal(compiled, start, 5, *source._key)
    other = module._normal_torch(start, count, 5, *source._key, torch.device("cpu"))
    np.testing.assert_allclose(compiled, other.numpy(), rtol=0, atol=1e-13)


@settings(max_examples=50, deadline=None)
@given(
    paths=st.integers(1, 300),
    event=st.sampled_from([(), (1,), (2,), (3,), (4, 5)]),
    cut=st.floats(0, 1),
    draw=st.sampled_from(["normal", "uniform"]),
)
def test_a_path_is_the_same_alone_or_among_others(paths, event, cut, draw):
    source = Noise(5, "paths")
    whole = getattr(source, draw)(3, (paths, *event))
    k = int(cut * (paths - 1))
    part = getattr(source.starting_at(k), draw)(3, (paths - k, *event))
    assert torch.equal(part, whole[k:])
    last = source.starting_at(k).starting_at(paths - 1 - k)
    assert torch.equal(getattr(last, draw)(3, (1, *event)), whole[-1:])


def test_large_addresses_do_not_wrap():
    """Path 2³⁰ with 4 components starts at deviate 2³², where a 32-bit index would be back at 0."""
    source = Noise(1)
    for draw in ("normal", "uniform"):
        near, far = (getattr(source.starting_at(p), draw)(0, (8, 4)) for p in (0, 2**30))
        further = getattr(source.starting_at(2**32), draw)(0, (8, 4))
        assert not torch.any(near == far)
        assert not torch.any(near == further)


N = 1_000_000


@pytest.fixture(scope="module")
def sample():
    return Noise(2024, "law").normal(0, (N,)).numpy()


def test_moments_of_the_normal_law(sample):
    """⟨zⁿ⟩ = (n-1)!!, each with its exact error √(Var zⁿ / N), within 5σ."""
    double_factorial = [1, 0, 1, 0, 3, 0, 15, 0, 105, 0, 945, 0, 10395, 0, 135135, 0, 2027025]
    for n in range(1, 9):
        error = np.sqrt((double_factorial[2 * n] - double_factorial[n] ** 2) / N)
        assert abs(np.mean(sample**n) - double_factorial[n]) < 5 * error


def test_normal_law_by_kolmogorov_and_chi_square(sample):
    """Both fail by chance with p < 1e-6."""
    assert stats.kstest(sample, "norm").pvalue > 1e-6
    edges = stats.norm.ppf(np.linspace(0, 1, 201))
    counts = np.histogram(sample, edges)[0]
    assert stats.chisquare(counts).pvalue > 1e-6


def test_tails_have_the_right_weight(sample):
    """Counts beyond 3, 4, 4.5 are Poisson: within 5σ."""
    for z in (3.0, 4.0, 4.5):
        expected = N * 2 * stats.norm.sf(z)
        assert abs(np.sum(np.abs(sample) > z) - expected) < 5 * np.sqrt(expected)


def test_each_word_is_normal_and_pairs_are_uncorrelated(sample):
    """The four outputs of a counter: unit variance and no correlation in z or in z², within 5σ."""
    z = sample.reshape(-1, 4)
    n = len(z)
    for power, spread in ((z, 1.0), (z**2 - 1, 2.0)):
        matrix = power.T @ power / n
        off = matrix[~np.eye(4, dtype=bool)]
        assert np.all(np.abs(off) < 5 * spread / np.sqrt(n))
    assert np.all(np.abs(np.var(z, axis=0) - 1) < 5 * np.sqrt(2 / n))


def test_uniform_law():
    u = Noise(7).uniform(1, (N,)).numpy()
    assert stats.kstest(u, "uniform").pvalue > 1e-6
    assert u.min() > 0
    assert u.max() < 1
    assert stats.chisquare(np.histogram(u, 256, (0, 1))[0]).pvalue > 1e-6
    low_bits = np.floor(u * 2**40) % 256  # bits 33 to 40, from the second word
    assert stats.chisquare(np.bincount(low_bits.astype(int), minlength=256)).pvalue > 1e-6


@pytest.mark.parametrize(
    "other",
    [
        lambda n: n.normal(1, (200_000,)),
        lambda n: n.of("other").normal(0, (200_000,)),
        lambda n: Noise(n.seed + 1, n.stream).normal(0, (200_000,)),
        lambda n: n.starting_at(1).normal(0, (200_000,)),
        lambda n: n.starting_at(200_000).normal(0, (200_000,)),
        lambda n: n.uniform(0, (200_000,)) - 0.5,
    ],
    ids=["step", "stream", "seed", "next path", "next paths", "uniform"],
)
def test_other_addresses_are_independent(other):
    """Correlations of z, z² and |z| with the other's, within 5/√n."""
    source = Noise(42)
    a, b = source.normal(0, (200_000,)).numpy(), other(source).numpy()
    for transform in (lambda x: x, np.square, np.abs):
        assert abs(np.corrcoef(transform(a), transform(b))[0, 1]) < 5 / np.sqrt(len(a))


def test_sums_over_many_steps_diffuse():
    """A path's sum over 400 steps has variance 400: χ² over 2000 paths within 5σ."""
    source = Noise(9)
    x = sum(source.normal(step, (2000,)) for step in range(400))
    assert isinstance(x, torch.Tensor)
    assert abs(float((x**2).mean()) / 400 - 1) < 5 * np.sqrt(2 / 2000)


def test_streams_are_named_by_path():
    source = Noise(1, "a")
    assert source.of("b").stream == "a/b"
    assert torch.equal(source.of("b").normal(0, (5,)), Noise(1, "a/b").normal(0, (5,)))
    assert len({Noise(seed, stream)._key for seed in range(50) for stream in ("a", "b", "a/b")}) == 150


def test_dtypes_and_shapes():
    source = Noise(0)
    double, single = source.normal(0, (1000, 2)), source.normal(0, (1000, 2), torch.float32)
    assert double.dtype == torch.float64
    assert single.dtype == torch.float32
    assert torch.equal(double.to(torch.float32), single)
    assert source.normal(0, (0, 3)).shape == (0, 3)
    assert source.uniform(0, (4,), torch.float32).dtype == torch.float32


def test_single_precision_uniforms_stay_below_one():
    """Path 10 583 671 of seed 0 lies within 2⁻²⁵ of 1 and would round to 1 in float32."""
    source = Noise(0).starting_at(10_583_671)
    assert source.uniform(0, (1,)).item() > 1 - 2.0**-25
    assert source.uniform(0, (1,), torch.float32).item() == 1 - 2.0**-24


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, "7"])
def test_bad_seed(seed):
    with pytest.raises(ValueError, match="seed must be an integer from 0"):
        Noise(seed)


@pytest.mark.parametrize("step", [-1, 2**32])
def test_bad_step(step):
    with pytest.raises(ValueError, match="step must be an integer from 0"):
        Noise(0).normal(step, (1,))
