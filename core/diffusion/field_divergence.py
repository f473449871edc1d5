"""The exact divergence of a network of one block, at the cost of a few evaluations.

With one block the network is: filters in momentum space, a function of the filtered fields on each site, filters again.
Filters are diagonal in momentum space and the function is diagonal in space, so the trace of the Jacobian is

    Σ_p (what reaches the output past the block)  +  Σ_y Σ_{ch} J_ch(y) k_ch,      k_ch = V⁻¹ Σ_p O_c(p) A_h(p),

with A_h the response of the filtered field h to the input, J_ch(y) = ∂u_c(y)/∂a_h(y), and O_c the filter of channel c
on its way out. The pull towards ±m bends the response of the zero mode alone.
"""

from __future__ import annotations

import math

import torch

from core.contracts import Tensor
from core.diffusion.field_baseline import Propagators
from core.diffusion.field_network import CEILING, FILTERS, FieldNetwork, Level, over


def network_divergence(network: FieldNetwork, x: Tensor, sigma: Tensor, propagators: Propagators) -> Tensor:
    """Σ_x ∂c(x)/∂x̃(x) of c = W ⋆ h, shape (n,); arguments as of the network.

    Raises ValueError for a network of more than one block, or with the magnetisation as input.
    """
    if network.config.blocks != 1 or network.config.magnetised:
        raise ValueError("the cheap divergence is that of one block without the magnetisation as input")
    level = Level(x, sigma, propagators)
    p, volume = level.p, math.prod(propagators.event)
    embedding, filters, inputs = network.embedding(level), level.filters(), level.inputs()
    combined = network.combined(embedding, filters)
    block = network.blocks[0]
    responses = _responses(level)
    way_out = over(p.strength, level.wiener) * level.wiener * combined
    channels = network.config.channels
    past = sum(p.mean(way_out[channels + i] * r) for i, r in enumerate(responses)) * volume

    mixed = (block.mix.unflatten(1, (len(responses), FILTERS)), filters, responses)  # type: ignore[operator]
    a_response = torch.einsum("hif,fn...,in...->hn...", *mixed)
    weight = p.weight.expand_as(level.wiener)
    k = torch.einsum("cnp,hnp->chn", (way_out[:channels] * weight).flatten(2), a_response.flatten(2))
    a = block.filtered(inputs, filters, level)  # type: ignore[operator]
    return past + _through_sites(block, a.flatten(2), embedding, k)


def _responses(level: Level) -> Tensor:
    """∂(inputs)/∂x̃ in momentum space, (2, n, *half)."""
    zero = (slice(None), *[0] * len(level.axes))
    v0 = level.p.connected[zero] + level.sigma**2
    m = level.p.m
    bend = level.sigma**2 / v0 * m**2 / v0 / torch.cosh(m * level.modes[zero].real / v0) ** 2
    first = torch.zeros_like(level.p.weight)
    first[(0, *[0] * len(level.axes))] = math.prod(level.p.event)
    denoiser = level.wiener + over(bend, level.wiener) * first
    noise = level.noise_spread()
    return torch.stack([denoiser / over(level.p.spread, denoiser), (1 - denoiser) / over(noise, denoiser)])


def _through_sites(block, a: Tensor, embedding: Tensor, k: Tensor) -> Tensor:
    """Σ_y Σ_ch J_ch(y) k_ch, shape (n,): a (hidden, n, V), k (channels, hidden, n)."""
    n = a.shape[1:]
    scale = (1 + block.scale(embedding)).T
    a = a * scale[..., None]
    slope = 2 * a / (1 + a * a / CEILING) ** 2
    gate = block.gated(block.even(a), embedding)
    s = torch.sigmoid(gate)
    opened = block.opened(gate)
    bent = s * (1 + gate * (1 - s))  # the derivative of silu
    total = torch.zeros(n[0], dtype=a.dtype, device=a.device)
    for join, k_c in zip(block.join, k, strict=True):
        inner = (block.open.T @ (join[:, None] * a.flatten(1))).unflatten(1, n) * bent
        back = (block.gate.T @ inner.flatten(1)).unflatten(1, n) * slope + join[:, None, None] * opened
        total = total + ((k_c * scale)[..., None] * back).sum((0, 2))
    return total
