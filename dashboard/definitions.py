"""One short definition for every quantity that a page shows: on hover and focus of its label, and in the help."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class Definition:
    """``term`` as the help lists it; ``pattern`` is searched in a plain label (see ``plain``), by Python and by the
    browser, so that it keeps to what both know."""

    term: str
    pattern: str
    text: str


DEFINITIONS: tuple[Definition, ...] = (
    # Composed labels come before the symbols inside them: the first pattern that is found counts.
    Definition(
        "τ_int",
        r"^τint|τint\b|autocorrelation time",
        "Integrated autocorrelation time, ½ + Σρ(t): 2 τ_int updates count as one independent configuration.",
    ),
    Definition(
        "Autocorrelation ρ",
        r"^autocorrelation|^ρ\b",
        "ρ(t): how much of a fluctuation of the observable is left t updates later; 1 at t = 0.",
    ),
    Definition(
        "Running mean",
        r"running mean",
        "Average over all configurations since the start of the statistics; it must settle within its error.",
    ),
    Definition(
        "Crossing time",
        r"crossing|peaks merge|peak chosen",
        "The noise level at which the two peaks of the density merge into one: on the way back, a path has chosen "
        "its peak from there on.",
    ),
    Definition(
        "Binder cumulant U_L",
        r"^UL\b|binder",
        "U_L = 1 − ⟨M⁴⟩ / (3 ⟨M²⟩²): 0 for a Gaussian magnetisation, ⅔ for two sharp peaks; curves of different L "
        "cross at the transition.",
    ),
    Definition(
        "Susceptibility χ",
        r"^χ|susceptibility",
        "χ = V (⟨M²⟩ − ⟨|M|⟩²): how strongly the magnetisation fluctuates; it peaks at the transition.",
    ),
    Definition(
        "κ₁ … κ₈, cumulants",
        r"^κ ?[1-8]|^cumulants?\b|^variance κ2|^κn",
        "κₙ: connected n-point moments at one site or of one variable. κ₁ is the mean, κ₂ the variance; from the "
        "third on all vanish for a Gaussian law.",
    ),
    Definition(
        "Moments μₙ",
        r"^μ ?[1-8n]|^moments",
        "μₙ = ⟨xⁿ⟩, not centred; moments grow with the noise where cumulants beyond the second stay.",
    ),
    Definition(
        "Critical hopping κ_c",
        r"^κc\b",
        "The hopping parameter at which the infinite lattice orders: about 0.271 for λ = 0.022.",
    ),
    Definition(
        "Hopping parameter κ",
        r"^κ$|^κ (from|to)",
        "Strength of the coupling between neighbouring sites: S = Σ [−2κ φ(x) Σ_μ φ(x+μ) + (1 − 2λ) φ² + λ φ⁴].",
    ),
    Definition(
        "Self-coupling λ",
        r"^λ",
        "Strength of the term λ φ⁴ of the action; 0 is the free field.",
    ),
    Definition(
        "Magnetisation M, |M|",
        r"^⟨?\|M\||^magnetisation|^histogram of M|^M$",
        "M is the mean of the field over all sites of one configuration; |M| is near 0 in the symmetric phase and "
        "finite in the broken one.",
    ),
    Definition(
        "Action density S/V",
        r"^action|S⟩?/V",
        "The action of a configuration, divided by the number of sites.",
    ),
    Definition(
        "⟨φ²⟩",
        r"^⟨φ2⟩|^⟨φ²⟩|^φ²",
        "Mean square of the field at a site.",
    ),
    Definition(
        "⟨x²⟩",
        r"^⟨x2⟩|^⟨x²⟩",
        "Mean square of the variable over the chains.",
    ),
    Definition(
        "Correlator G(r)",
        r"^G\(r\)|^G\(|correlator",
        "G(r) = ⟨φ(x) φ(x+r)⟩, without the part from the mean: how far a fluctuation at one site is felt.",
    ),
    Definition(
        "Effective mass",
        r"effective mass",
        "m(t) from the ratio of neighbouring values of the correlator of time slices; where it is flat, it is the "
        "inverse correlation length.",
    ),
    Definition(
        "Walls",
        r"^walls",
        "Fraction of configurations with a domain wall between regions of opposite sign; in equilibrium there are few.",
    ),
    Definition(
        "Link term Σ_μ φ φ_μ",
        r"^Σμ|^Σ_μ",
        "Sum over the directions of the product of the field at neighbouring sites: what κ multiplies in the action.",
    ),
    Definition(
        "V⟨M²⟩",
        r"^V⟨M",
        "Volume times the mean square of the magnetisation: the susceptibility of the symmetric phase.",
    ),
    Definition(
        "Schwinger–Dyson",
        r"schwinger",
        "⟨φ ∂S/∂φ⟩ at a site, which is exactly 1 in equilibrium: a check that needs no other run.",
    ),
    Definition(
        "Structure factor",
        r"structure factor",
        "⟨|φ_p|²⟩/V: the strength of the fluctuations of momentum p.",
    ),
    Definition(
        "Signal and noise",
        r"^signal",
        "What is left of the field at momentum p, f² G(p), against the noise Ξ laid over it: modes with more "
        "noise than signal are lost.",
    ),
    Definition(
        "Score norm",
        r"^score norm",
        "Root mean square of the score at a site; its growth towards t = 0 shows how strongly the backward "
        "process pulls.",
    ),
    Definition(
        "Score error by scale",
        r"score errs|score's error",
        "What a wrong score at each range of noise levels adds to the distance between generated and true law.",
    ),
    Definition(
        "Score",
        r"score",
        "∇ log P_t: the direction in which the density rises; the backward process follows it.",
    ),
    Definition(
        "Drift",
        r"drift evaluations",
        "How often the drift (force or score) was computed for each field: the cost that both processes share.",
    ),
    Definition(
        "Drift K",
        r"^drift",
        "K = −∂S/∂φ in the Langevin process, and what takes its place in the diffusion process.",
    ),
    Definition(
        "Noise schedule",
        r"^noise schedule|^g\(t\)|^g$",
        "g(t): the strength of the noise that is added at time t; the damping k(t) is 0 (VE) or g² (VP).",
    ),
    Definition(
        "Ξ, σ̃ and f",
        r"√?Ξ|^noise √Ξ|^f$|damping",
        "The forward process gives φ_t = f φ_0 + √Ξ η: f is what is left of the field, Ξ the variance of the "
        "noise, σ̃ = √Ξ / f their ratio.",
    ),
    Definition(
        "Noise level σ̃",
        r"σ̃",
        "σ̃ = √Ξ / f: the noise in units of the damped field; it alone labels a level, whatever the schedule.",
    ),
    Definition(
        "Generating function W[J]",
        r"^W\[J\]|^J\b",
        "W[J] = log⟨exp(Jx)⟩; its derivatives at J = 0 are the cumulants.",
    ),
    Definition(
        "Distribution P",
        r"^distribution|^density|^P\b|^histogram|particles, density",
        "P: the probability density, as a histogram of samples and, where it is known, as a curve.",
    ),
    Definition(
        "Trajectories",
        r"^trajectories|^sixty paths|^paths|some chains",
        "Single runs of the process over time.",
    ),
    Definition(
        "Fokker–Planck",
        r"fokker",
        "The partial differential equation for the density of the paths, solved beside them on a grid.",
    ),
    Definition(
        "95 % area",
        r"area that holds",
        "The smallest area that holds 95 % of the probability, as a fraction of the frame: small where the data "
        "lie on a curve.",
    ),
    Definition(
        "Training loss",
        r"loss",
        "Mean squared error of the predicted noise, weighted over noise levels; only its distance to the least "
        "possible one counts.",
    ),
    Definition(
        "Acceptance",
        r"acceptance|^accepted",
        "Fraction of proposed moves that the accept-or-reject step takes.",
    ),
    Definition(
        "Effective sample size ESS",
        r"^ESS\b|effective sample|^independent",
        "How many independent configurations the sample is worth; as a fraction of their number between 0 and 1.",
    ),
    Definition(
        "Cost",
        r"^cost|^computing|seconds of work|configurations/s|^ms\b|per second|/s\b",
        "Computing time on this machine, and evaluations of the drift, which do not depend on it.",
    ),
    Definition(
        "Deviation in σ",
        r"deviation|difference|σ of the comparison|in errors|minus exact",
        "Difference to the reference, in units of both statistical errors together; beyond 4 it is coloured.",
    ),
    Definition(
        "Error budget: prior",
        r"^prior",
        "The part of the error that comes from starting the backward process from another law than the forward "
        "one ends in.",
    ),
    Definition(
        "Error budget: discretisation",
        r"^discretisation|^steps?\b",
        "The part of the error that finite time steps make; it falls with their number.",
    ),
    Definition(
        "Error budget: cut-off",
        r"cut-?off",
        "The part of the error from stopping at a small noise level instead of at none.",
    ),
    Definition(
        "Statistical error",
        r"^statistics|^± statistics|^total|^value|^data|^generated|^held-out|^network|^exact",
        "Measured value with its statistical error in the last digits: 0.3960(4) is 0.3960 ± 0.0004.",
    ),
    Definition(
        "⟨e^(−ΔH)⟩",
        r"ΔH",
        "Mean of exp(−ΔH) over HMC trajectories: 1 if the integrator conserves volume and the chain is in equilibrium.",
    ),
    Definition(
        "R̂",
        r"R̂|Rhat",
        "Ratio of the spread of all chains to that within each; above 1.01 they do not yet agree.",
    ),
    Definition(
        "ε",
        r"^ε",
        "Step of the Langevin process in Parisi–Wu time; its bias is of order ε.",
    ),
    Definition(
        "Independent configurations",
        r"configurations",
        "Number of configurations; correlated ones count less, by 2 τ_int.",
    ),
    Definition(
        "Field φ",
        r"^φ|^field|^a lattice field",
        "The lattice field: one real number at each site; colours are symmetric about 0.",
    ),
    Definition(
        "Position x",
        r"^x[0-9]?$|^r$|^t$|^p",
        "The variable itself, or the distance or time it is plotted against.",
    ),
    Definition(
        "Algorithm",
        r"^algorithm",
        "How the Markov chain moves; all sample the same law once they are in equilibrium.",
    ),
)

_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_TAG = re.compile(r"<[^>]*>")
_HEAD = re.compile(r"<th(?P<attributes>[^>]*)>(?P<label>.*?)</th>", re.DOTALL)


def plain(label: str) -> str:
    """A label without mark-up, underscores and lowered digits: ``U<sub>L</sub>`` and ``U_L`` are UL."""
    text = html.unescape(_TAG.sub(" " if "<br" in label else "", label))
    return " ".join(text.translate(_SUBSCRIPTS).replace("_", "").split())


@lru_cache(maxsize=1024)
def definition(label: str) -> Definition | None:
    """What a label means; None where nothing here says it."""
    text = plain(label)
    return next((d for d in DEFINITIONS if re.search(d.pattern, text, re.IGNORECASE)), None)


def label(text: str, focusable: bool = True) -> str:
    """A label in HTML that shows its definition on hover and, unless it is rewritten all the time, on focus."""
    known = definition(text)
    if known is None:
        return text
    said = html.escape(known.text, quote=True)
    reach = ' tabindex="0"' if focusable else ""
    return f'<span{reach} data-define="{said}" aria-description="{said}">{text}</span>'


def explained(table: str) -> str:
    """An HTML table whose column heads show their definitions on hover and on focus. Heads of rows stay as they are."""

    def explain(found: re.Match[str]) -> str:
        attributes, text = found["attributes"], found["label"]
        return found[0] if not text or "scope=row" in attributes else f"<th{attributes}>{label(text)}</th>"

    return _HEAD.sub(explain, table)
