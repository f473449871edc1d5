"""A rich scene from closed forms (two peaks, variance expanding), for looking at the stage: `panel serve` this file."""

import numpy as np
import panel as pn

from dashboard.stage import Arrows, Band, Bars, Bundle, Image, Line, Mark, Panel, Points, Rule, Scene, Stage

SIGMA = 10.0
WIDTH = 0.25


def variance(t: np.ndarray) -> np.ndarray:
    """Ξ(t) = (σ^{2t} - 1) / (2 ln σ)."""
    return (SIGMA ** (2 * t) - 1) / (2 * np.log(SIGMA))


def density(x: np.ndarray, xi: float) -> np.ndarray:
    v = WIDTH**2 + xi
    return sum(np.exp(-((x - m) ** 2) / (2 * v)) for m in (-1, 1)) / np.sqrt(8 * np.pi * v)


def demo_scene(frames: int = 241, paths: int = 60, side: int = 128) -> Scene:
    rng = np.random.default_rng(1)
    positions = np.linspace(0, 2, frames)
    t = np.where(positions <= 1, positions, 2 - positions)
    xi = variance(t)
    half = 2.2 + 3 * np.sqrt(xi)
    x = half[:, None] * np.linspace(-1, 1, 241)
    exact = np.stack([density(row, value) for row, value in zip(x, xi, strict=True)])
    n = 2000
    start = rng.choice([-1, 1], n) + WIDTH * rng.standard_normal(n)
    walk = np.cumsum(rng.standard_normal((frames, n)) * np.sqrt(np.abs(np.diff(xi, prepend=0.0)))[:, None], axis=0)
    up = positions <= 1
    forward = start + walk * up[:, None]
    back = forward[up][::-1][1:] * np.sign(rng.standard_normal(n))
    particles = np.concatenate([forward[up], back])[:frames]
    edges = half[:, None] * np.linspace(-1, 1, 61)
    heights = np.stack([np.histogram(p, e, density=True)[0] for p, e in zip(particles, edges, strict=True)])
    noise = rng.standard_normal((side, side))
    smooth = np.fft.ifft2(
        np.fft.fft2(noise) / (0.02 + np.add.outer(np.fft.fftfreq(side) ** 2, np.fft.fftfreq(side) ** 2))
    )
    field = 2.2 * smooth.real / smooth.real.std() + np.sqrt(xi)[:, None, None] * rng.standard_normal((side, side))
    top = np.abs(field).max(axis=(1, 2))
    image = np.clip((field / top[:, None, None] + 1) * 127.5, 0, 255).astype(np.uint8)
    k2 = 1 + WIDTH**2 + xi
    error = 0.03 * k2 * (1 + 0.5 * np.sin(40 * positions))
    k4 = np.full(frames, -2.0)
    k4_error = 0.05 + 24 * xi**2 / np.sqrt(2e5)
    measured = k4 + 0.5 * k4_error * np.sin(17 * positions)
    xlim = np.stack([-half, half], 1)
    ylim = np.stack([np.zeros(frames), 1.25 * exact.max(axis=1)], 1)
    gx, gy = (g.ravel() for g in np.meshgrid(np.linspace(-3, 3, 13), np.linspace(-3, 3, 13)))
    centres = np.array([[0, 1.4], [-1.2, -0.7], [1.2, -0.7]])
    cloud = centres[rng.integers(0, 3, 800)] + 0.2 * rng.standard_normal((800, 2))
    kick = rng.standard_normal((800, 2))
    scaled = 1.2 * np.sqrt(xi / xi.max())[:, None]
    marks = [Mark(0.62, "structure drowns", "Ξ = ⟨x²⟩"), Mark(1.38, "peak chosen", "Ξ falls below ⟨x²⟩")]
    return Scene(
        positions=positions,
        captions=[
            f"{'forward' if a else 'backward':8s}  t = {b:.3f}  σ̃ = {np.sqrt(c):.3f}"
            for a, b, c in zip(up, t, xi, strict=True)
        ],
        marks=marks,
        ticks=[(0, "data  t = 0"), (0.5, "t = 0.5"), (1, "noise  t = 1"), (1.5, "t = 0.5"), (2, "samples  t = 0")],
        columns="5fr 4fr 4fr",
        rows="1fr 1fr",
        areas=["density k2 field", "paths k4 plane"],
        smooth=True,
        panels=[
            Panel(
                "density",
                [
                    Bars(edges, heights, "particles", "forward"),
                    Line(x, exact, "exact", "exact"),
                    Line(x, exact * 1.03, "Fokker–Planck", "fp", dash=True),
                ],
                title="Density",
                xlabel="x",
                ylabel="P(x, t)",
                xlim=xlim,
                ylim=ylim,
            ),
            Panel(
                "paths",
                [
                    Bundle(positions, particles[:, :paths].T, "forward", label="trajectories"),
                    Line(positions, np.sqrt(k2), "√κ₂", "exact", dash=True),
                ],
                title="Trajectories",
                xlabel="time",
                ylabel="x",
                clock=True,
                note="60 of 2 000",
            ),
            Panel(
                "k2",
                [
                    Band(positions, k2 - error, k2 + error, "", "k2"),
                    Line(positions, k2 + 0.6 * error * np.sin(9 * positions), "measured", "k2"),
                    Line(positions, k2, "predicted", "exact", dash=True),
                ],
                title="κ₂",
                clock=True,
                log_y=True,
            ),
            Panel(
                "k4",
                [
                    Band(positions, measured - k4_error, measured + k4_error, "", "k4"),
                    Line(positions, measured, "measured", "k4"),
                    Line(positions, k4, "predicted", "exact", dash=True),
                    Rule(y=0.0),
                ],
                title="κ₄",
                clock=True,
                xlabel="time",
                symlog_y=True,
            ),
            Panel(
                "field",
                [Image(image, (0, side, 0, side), limits=np.stack([-top, top], 1), label="φ")],
                title="Field",
                aspect="equal",
                hide_axes=True,
                note="128²",
            ),
            Panel(
                "plane",
                [
                    Arrows(gx, gy, -gx * (1 - t)[:, None] + 0.2, -gy * (1 - t)[:, None], label="score"),
                    Points(
                        cloud[:, 0] + scaled * kick[:, 0], cloud[:, 1] + scaled * kick[:, 1], "data", 3.5, "particles"
                    ),
                ],
                title="Plane",
                xlabel="x₁",
                ylabel="x₂",
                xlim=(-3, 3),
                ylim=(-3, 3),
                aspect="equal",
            ),
        ],
    )


if pn.state.served:
    stage = Stage(height=640, status="preview · 2 000 paths")
    stage.show(demo_scene())
    stage.servable()
