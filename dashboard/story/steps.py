"""The steps of the story. The numbers in their texts are checked against the engine by the tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode


@dataclass(frozen=True)
class Step:
    """A room with a preset and what to say of it.

    ``state`` is what the address of the room says beside its page, ``areas`` the rows of panels that are shown of its
    picture, all where there are none. ``text`` says what is seen, ``trial`` what to do, ``question`` and ``answer``
    what to think about.
    """

    title: str
    page: str
    state: Mapping[str, str]
    areas: tuple[str, ...]
    text: str
    trial: str
    question: str
    answer: str


STEPS: tuple[Step, ...] = (
    Step(
        "Noise erases and restores",
        "one",
        {"tab": "plane", "plane_target": "spiral", "sigma": "10", "paths": "5000"},
        ("plane",),
        "Each point of the spiral is kicked at random, again and again, until nothing of the spiral is left. Then time "
        "runs backward: points that are pure noise feel, beside new kicks, a drift (arrows) towards where the data "
        "were, and a spiral forms again.",
        "Hold the picture (space) and step with ← and → to the moment at which the arms can just no longer be told "
        "apart.",
        "The points at the end are not those of the beginning. What has been restored?",
        "The distribution. No point finds its way home, for the noise has erased where it was; but each ends somewhere "
        "on the spiral, and together they fill it as the data did.",
    ),
    Step(
        "Two peaks",
        "one",
        {"target": "two-peak", "schedule": "ve", "sigma": "10"},
        ("density bundle",),
        "The same with one number x, at −1 or at +1, give or take ¼. Kicks of growing strength g(t) = σᵗ widen both "
        "peaks until they are one hill; on the way back each path leaves the hill and has to choose a side.",
        "Go to t = 0.36 on the way out: the two hills have just become one. Then lower σ: it happens later, as the "
        "mark on the time axis says.",
        "How much noise does it take until two equal peaks at ±1 are one?",
        "As much as makes each as wide as it is far from the middle: its variance, 1/16 + Ξ, must reach 1, so "
        "Ξ = 15/16 ≈ 0.94, where Ξ is the variance of all kicks so far.",
    ),
    Step(
        "The Fokker–Planck equation",
        "one",
        {"target": "mixture", "schedule": "ve", "sigma": "10", "paths": "2000"},
        ("density bundle",),
        "Each path is an accident; where the paths are likely to be is not. Their density P(x, t) obeys "
        "∂P/∂t = −∂(drift · P)/∂x + ½ g² ∂²P/∂x², an equation without any noise. The curve is its solution, the bars "
        "are the paths.",
        "Move the paths down to 500, and up to 100 000: the bars jitter less and less, and the curve never.",
        "Kicks spread things out. How can the peaks become narrow again on the way back, where there are kicks too?",
        "The drift back is g² ∂log P/∂x. Put into the equation it gives −g² ∂²P/∂x², twice the spreading by the kicks "
        "and of the other sign: together −½ g² ∂²P/∂x², diffusion in reverse.",
    ),
    Step(
        "The score",
        "one",
        {"target": "two-peak", "schedule": "ve", "sigma": "10"},
        ("score density",),
        "All that the way back needs to know is the score, the slope ∂log P/∂x. It points uphill, to where paths are "
        "likely. While there are two peaks it goes through zero three times, at their tops and between them; under "
        "much noise it is a straight line, as for a single Gaussian.",
        "Choose the Gaussian score, which knows the mean and the variance of the data and nothing else, and look at "
        "the end.",
        "What does the Gaussian score make of the two peaks?",
        "One hill with the right mean and the right variance, 1.0625. Everything else is lost: κ₄ is −2 for the two "
        "peaks, and 0 for any Gaussian.",
    ),
    Step(
        "What training learns",
        "one",
        {"target": "two-peak", "schedule": "ve", "sigma": "10", "score": "learned"},
        ("score score density", "score score k4"),
        "Usually nobody knows the score. A network is shown x(t) = f x₀ + √Ξ η, a data point with noise, and guesses "
        "the noise η. Its best guess is the average of η over all data that could be behind x(t), and that is "
        "−√Ξ times the score.",
        "Compare the two curves where the density is high, and far outside, where the network has seen nothing. Then "
        "train a new one, with 100 training steps.",
        "Does the loss of a perfect network go to zero?",
        "No. The same x(t) can come from many pairs of data and noise, so η cannot be guessed exactly. What is left is "
        "the spread of η around its average, and no network can beat it.",
    ),
    Step(
        "Cumulants",
        "one",
        {"target": "two-peak", "schedule": "ve", "sigma": "10"},
        ("k2 k4", "k6 k8"),
        "κ₂ is the variance; κ₄, κ₆ and κ₈ are what is not Gaussian: interaction, in a field theory. Noise adds Ξ to "
        "κ₂ and nothing to the others, whatever it does to the picture: for the two peaks they stay −2, 16 and −272. "
        "Only the error with which paths can measure them grows.",
        "Choose Variance preserving. Now x shrinks while noise is added, each κₙ falls as fⁿ, and the way back has to "
        "build all of them.",
        "If κ₄ is −2 at all times, why does the density look Gaussian at t = 1?",
        "The shape depends on κ₄ in units of the width: κ₄/κ₂² is −1.8 at the start and −0.004 at t = 1, where κ₂ has "
        "grown to 22.6. Nothing is gone, it is drowned.",
    ),
    Step(
        "Stochastic quantisation and diffusion",
        "diffusion",
        {
            "tab": "beside",
            "kappa": "0.27",
            "L": "32",
            "configurations": "64",
            "paths": "16",
            "runs": "1",
            "duration": "1500",
        },
        ("chain process", "phi2 abs_m"),
        "Two ways from noise to fields with the weight exp(−S). Stochastic quantisation follows the force −∂S/∂φ and "
        "its kicks until the past is forgotten. Diffusion follows a score that changes with time and is done after a "
        "fixed number of steps. Both are counted in evaluations of their drift.",
        "Raise the Langevin step ε: it gets there sooner, and to a law that is wrong by more.",
        "Near the critical point structures of all sizes live. Which come first in each of the two?",
        "In diffusion the largest: they stand out of strong noise first, and the small ones are filled in later. "
        "Langevin moves each site by its neighbours: small ones come at once, and a structure of size ℓ takes a time "
        "of order ℓ². That is critical slowing down.",
    ),
    Step(
        "φ⁴ in both phases",
        "lattice",
        {"tab": "live", "kappa": "0.4", "lam": "0.022", "L": "64", "shown": "4", "start": "mixed"},
        (),
        "A number φ at each site of a lattice, and κ makes neighbours alike. For small κ there are small patches, and "
        "the mean M is about 0. Above κ ≈ 0.27 the field orders: half of these chains sit at plus, half at minus, with "
        "|M| ≈ 3.75.",
        "Paint a patch of the other sign on a field and see it shrink. Then pull κ down to 0.21, up again, and look "
        "which signs come out.",
        "φ and −φ have the same action. How can a field prefer one sign?",
        "On a finite lattice it does not: both are equally likely. But to go over, a wall has to cross the whole "
        "lattice, and the probability of that falls exponentially with its length.",
    ),
    Step(
        "Exactness",
        "one",
        {
            "tab": "langevin",
            "target": "quartic",
            "mu2": "1",
            "coupling": "0.5",
            "epsilon": "0.4",
            "metropolis": "false",
        },
        ("histogram bias",),
        "A computer takes finite steps, and a network is never perfect: the law that comes out is not quite the one "
        "asked for. Here Langevin steps of ε = 0.4 give ⟨x²⟩ = 1.07 where exp(−S) has 0.84. A choice repairs it: "
        "accept each step with probability min(1, A), else stay.",
        "Switch on Metropolis-adjusted (MALA): at the same ε the bars move onto the exact curve.",
        "Can fields made by an imperfect network be exact?",
        "Yes. Accept or weigh whole paths by how likely the theory and the network find them. A bad network then costs "
        "acceptance, and not correctness: see the correction in the room Diffusion.",
    ),
)

CHOSEN: Mapping[str, tuple[str, ...]] = {"one": ("density k2 k4", "bundle k6 k8")}
"""Panels that presenter mode shows of a room outside the story: all would be too small to read from afar."""


def link(number: int, **more: str) -> str:
    """The query of a step, which are counted from 1; ``more`` are keys of the frame that it carries along."""
    step = STEPS[number - 1]
    return "?" + urlencode({"page": step.page, "story": str(number), **step.state, **more})


def expand(search: str) -> str:
    """A query such as ``?story=2`` with the page and the preset of that step where it says nothing of its own."""
    query = dict(parse_qsl(search.removeprefix("?"), keep_blank_values=True))
    number = number_of(query.get("story", ""))
    if number is None:
        return search
    step = STEPS[number - 1]
    if query.get("page", step.page) != step.page:
        return search
    return "?" + urlencode({"page": step.page, **step.state, **query})


def number_of(text: str) -> int | None:
    """The number of a step that ``text`` stands for, None where there is none."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 3 else 0
    return number if 1 <= number <= len(STEPS) else None
