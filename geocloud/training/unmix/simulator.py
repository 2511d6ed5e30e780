"""Simulated clouds over real surfaces: opacity fields, colours and shadows.

Everything is a pure function of a ``torch.Generator``, named `rng`. Fields are octaves of value noise, as in
SatelliteCloudGenerator (Czerkawski et al. 2023). The colour of a cloud is a brightness times a power of wavelength, the
form of Ångström's law: the exponent is 0 for cloud, below 0 for haze and smoke, and above 0 for dust.
"""

from math import cos, pi, sin
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows
from torch import Generator, Tensor

from geocloud.models.networks.unmix import REFERENCE_WAVELENGTH, WAVELENGTHS, mix

WATER = (0.05, 0.03, 0.015, 0.005, 0.002, 0.001, 0.001), (0.11, 0.13, 0.11, 0.05, 0.01, 0.005, 0.002)
"""Assumed reflectance of clear deep water, and of water full of silt, in each of BANDS."""


class Veil(NamedTuple):
    """A simulated cloud for each patch of a batch."""

    opacity: Tensor
    """(n, band, h, w) 0..1, in some batches displaced from band to band, as that of high cloud is (parallax)."""
    cloud: Tensor
    """(n, band, h, w) reflectance of opaque cloud."""
    slope: Tensor
    """(n, 1, 1, 1) exponent of the cloud's brightness over wavelength."""
    shadow: Tensor
    """(n, 1, h, w) share of light lost on the ground, 0..1."""

    def over(self, surface: Tensor) -> Tensor:
        """(n, band, h, w) reflectance of a surface of that shape under the cloud and in its shadow."""
        return mix(surface, self.cloud, self.opacity, self.shadow)


def uniform(shape: tuple[int, ...], low: float, high: float, rng: Generator) -> Tensor:
    """Uniform random numbers from `low` to `high`, of the given shape."""
    return torch.rand(shape, generator=rng) * (high - low) + low


def chance(n: int, share: float | Tensor, rng: Generator) -> Tensor:
    """(n, 1, 1, 1) bool, True with this probability, a number or (n, 1, 1, 1)."""
    return torch.rand((n, 1, 1, 1), generator=rng) < share


def value_noise(n: int, size: int, rng: Generator, octaves: int = 6) -> Tensor:
    """(n, 1, size, size) fractal noise, each scaled to 0..1; stretched grids give cloud streets and streaks."""
    decay = uniform((n, 1, 1, 1), 0.35, 0.75, rng)
    stretch = 2 ** int(torch.randint(0, 3, (1,), generator=rng))
    rows_first = bool(torch.rand(1, generator=rng) < 0.5)
    half = size // 2
    total = torch.zeros(n, 1, half, half)
    for octave in range(octaves):
        fine = min(2 ** (octave + 1) + 1, half)
        coarse = max(2, fine // stretch)
        grid = (fine, coarse) if rows_first else (coarse, fine)
        noise = torch.rand((n, 1, *grid), generator=rng)
        total += decay**octave * F.interpolate(noise, size=(half, half), mode="bicubic", align_corners=True)
    total = F.interpolate(total, size=(size, size), mode="bilinear", align_corners=False)
    low, high = total.amin((2, 3), keepdim=True), total.amax((2, 3), keepdim=True)
    return (total - low) / (high - low)


def opacity_field(n: int, size: int, rng: Generator) -> Tensor:
    """(n, 1, size, size) opacity: 30 % thin cloud, 12 % overcast, the rest broken cloud with soft or sharp edges."""
    field = value_noise(n, size, rng)
    level = uniform((n, 1, 1, 1), 0.2, 0.75, rng)
    gain = torch.exp(uniform((n, 1, 1, 1), 0.4, 3.2, rng))
    broken = ((field - level) * gain).clamp(0, 1)
    thin = (field - level * 0.8).clamp(min=0) * uniform((n, 1, 1, 1), 0.3, 1.2, rng)
    overcast = uniform((n, 1, 1, 1), 0.6, 1.0, rng) + 0.6 * (field - 0.5)
    kind = torch.rand((n, 1, 1, 1), generator=rng)
    opacity = torch.where(kind < 0.3, thin, torch.where(kind < 0.42, overcast, broken))
    return opacity.clamp(0, 1) * uniform((n, 1, 1, 1), 0.75, 1.0, rng)


def small_clouds(n: int, size: int, rng: Generator) -> Tensor:
    """(n, 1, size, size) opacity of fair-weather cumulus: groups of ragged clouds 1 to about 20 pixels wide."""
    bumps = torch.cat([_bumps(size, rng) for _ in range(n)])
    level = quantiles(bumps, uniform((n, 1, 1, 1), 0.65, 0.97, rng))
    grouping = uniform((n, 1, 1, 1), 0.0, 1.5, rng) * (1 - value_noise(n, size, rng, octaves=3))
    gain = torch.exp(uniform((n, 1, 1, 1), 0.0, 1.6, rng))
    return ((bumps - level - grouping) * gain).clamp(0, 1) * uniform((n, 1, 1, 1), 0.8, 1.0, rng)


def quantiles(field: Tensor, share: Tensor) -> Tensor:
    """(n, 1, 1, 1) the quantile of each field (n, 1, h, w) at its share (n, 1, 1, 1), 0..1."""
    pairs = zip(field, share, strict=True)
    return torch.cat([torch.quantile(values, float(q)).view(1, 1, 1, 1) for values, q in pairs])


def _bumps(size: int, rng: Generator) -> Tensor:
    """(1, 1, size, size) fractal noise of standard deviation 1, whose largest bumps are 3 to 20 pixels wide."""
    width, total = float(torch.exp(uniform((1,), 1.1, 3.0, rng))), torch.zeros(1, 1, size, size)
    weight, decay = 1.0, float(uniform((1,), 0.4, 0.7, rng))
    while width > 1:
        grid = max(4, round(size / width))
        noise = torch.randn((1, 1, grid, grid), generator=rng)
        total += weight * F.interpolate(noise, size=(size, size), mode="bicubic", align_corners=False)
        width, weight = width / 2, weight * decay
    return total / total.std()


def procedural_cloud(n: int, size: int, rng: Generator, dimming: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Reflectance (n, 7, size, size) and slope (n, 1, 1, 1) of cloud: 85 % flat, 10 % haze or smoke, 5 % dust.

    `dimming` (n, 7, 1, 1) is that of a phase; None: of a random one.
    """
    dimming = cloud_phase(n, rng).dimming if dimming is None else dimming
    kind = torch.rand((n, 1, 1, 1), generator=rng)
    slope = 0.12 * torch.randn((n, 1, 1, 1), generator=rng)
    slope = torch.where(kind < 0.10, uniform((n, 1, 1, 1), -1.8, -0.5, rng), slope)
    slope = torch.where(kind > 0.95, uniform((n, 1, 1, 1), 0.5, 1.3, rng), slope)
    bright = torch.where(kind > 0.95, uniform((n, 1, 1, 1), 0.2, 0.5, rng), uniform((n, 1, 1, 1), 0.3, 1.05, rng))
    texture = 1 + uniform((n, 1, 1, 1), 0, 0.6, rng) * (value_noise(n, size, rng) - 0.6)
    ratio = torch.tensor(WAVELENGTHS).view(1, -1, 1, 1) / REFERENCE_WAVELENGTH
    tint = 1 + 0.03 * torch.randn((n, 7, 1, 1), generator=rng)
    return bright * texture * ratio**slope * tint * dimming, slope


class Phase(NamedTuple):
    """How water drops and ice change a cloud from band to band, (n, 7, 1, 1) each."""

    dimming: Tensor
    """Brightness of each band as a share of the visible brightness."""
    opacity: Tensor
    """Opacity of each band as a share of the visible opacity: thin ice cloud is more transparent in SWIR."""


def cloud_phase(n: int, rng: Generator) -> Phase:
    """Random phases: 40 % ice, which absorbs at 1.6 and 2.2 micrometres and is bright in the cirrus band; else water.

    The ranges follow Dozier (1989) and the overcast parts of the labelled chips.
    """
    shape = (n, 1, 1, 1)
    ice = chance(n, 0.4, rng)
    dimming, opacity = torch.ones(n, 7, 1, 1), torch.ones(n, 7, 1, 1)
    dimming[:, 4:5] = torch.where(ice, uniform(shape, 0.15, 0.5, rng), uniform(shape, 0.45, 0.95, rng))
    dimming[:, 5:6] = dimming[:, 4:5] * uniform(shape, 0.6, 1.05, rng)
    low = 0.002 + 0.06 * torch.rand(shape, generator=rng) ** 3
    dimming[:, 6:7] = torch.where(ice, uniform(shape, 0.04, 0.4, rng), low)
    opacity[:, 4:6] = torch.where(ice, uniform(shape, 0.6, 1.0, rng), torch.ones(shape))
    return Phase(dimming, opacity)


def displace(field: Tensor, rows: int, columns: int) -> Tensor:
    """(n, c, h, w) the field shifted down and to the right by whole pixels; its edge pixels fill the gap."""
    pad = max(abs(rows), abs(columns))
    padded = F.pad(field, (pad, pad, pad, pad), mode="replicate")
    height, width = field.shape[-2:]
    return padded[..., pad - rows : pad - rows + height, pad - columns : pad - columns + width]


def no_veil(n: int, size: int) -> Veil:
    """No cloud and no shadow over n patches of size x size pixels."""
    return Veil(
        torch.zeros(n, 7, size, size),
        torch.zeros(n, 7, size, size),
        torch.zeros(n, 1, 1, 1),
        torch.zeros(n, 1, size, size),
    )


def sharp_clouds(n: int, size: int, rng: Generator) -> Tensor:
    """(n, 1, size, size) opacity of clouds with sharp edges, which cast shadows, over 5 to 45 % of each patch."""
    field = value_noise(n, size, rng)
    level = quantiles(field, uniform((n, 1, 1, 1), 0.55, 0.95, rng))
    return ((field - level) * torch.exp(uniform((n, 1, 1, 1), 1.5, 3.5, rng))).clamp(0, 1)


def cast_shadow(opacity: Tensor, farthest: int, rng: Generator) -> Tensor:
    """(n, 1, h, w) share of direct light that clouds of this opacity block; each patch has its own sun.

    A shadow is 3 to `farthest` pixels away in any direction, near ones being more likely. Parts that leave the patch
    enter at the opposite side, like the shadow of a cloud outside. Edges are blurred over up to 7 pixels.
    """
    shadows = []
    for cloud in torch.chunk(opacity, len(opacity)):
        far, angle, dense = (float(v) for v in torch.rand(3, generator=rng))
        distance = 3 + (farthest - 3) * far**1.5
        shifts = round(distance * sin(2 * pi * angle)), round(distance * cos(2 * pi * angle))
        moved = (torch.roll(cloud, shifts, (2, 3)) * (1 + 1.5 * dense)).clamp(max=1)
        blur = int(torch.randint(0, 4, (1,), generator=rng))
        shadows.append(F.avg_pool2d(moved, 2 * blur + 1, stride=1, padding=blur, count_include_pad=False))
    return torch.cat(shadows) * uniform((len(opacity), 1, 1, 1), 0.25, 0.85, rng)


def flood(ground: Tensor, rng: Generator) -> Tensor:
    """(n, 7, h, w) the ground with a lake over 5 to 40 % of each patch: as dark as a shadow, but of other colours."""
    n, _, size, _ = ground.shape
    field = value_noise(n, size, rng, octaves=4)
    shore = quantiles(field, uniform((n, 1, 1, 1), 0.6, 0.95, rng))
    clearest, murkiest = (torch.tensor(water).view(1, -1, 1, 1) for water in WATER)
    murk = torch.rand((n, 1, 1, 1), generator=rng)
    colour = (clearest + murk * (murkiest - clearest)) * uniform((n, 7, 1, 1), 0.8, 1.2, rng)
    share = ((field - shore) * 40).clamp(0, 1)
    return ground * (1 - share) + colour * share


def simulate(
    n: int,
    size: int,
    rng: Generator,
    texture: Tensor | None = None,
    small: float | Tensor = 0.0,
    phase: Phase | None = None,
) -> Veil:
    """Random clouds for a batch.

    Args:
        n: number of patches.
        size: their height and width in pixels.
        rng: the source of all randomness.
        texture: (n, 7, size, size) reflectance of real overcast sky, used in half of the patches; None: in none.
        small: probability of small clouds, a number or (n, 1, 1, 1).
        phase: phase of the clouds, that of `texture` if there is one; None: a random one.
    """
    phase = phase or cloud_phase(n, rng)
    opacity = opacity_field(n, size, rng)
    if torch.as_tensor(small).any():
        opacity = torch.where(chance(n, small, rng), small_clouds(n, size, rng), opacity)
    cloud, slope = procedural_cloud(n, size, rng, phase.dimming)
    if texture is not None:
        real = chance(n, 0.5, rng)
        cloud, slope = torch.where(real, texture, cloud), torch.where(real, torch.zeros_like(slope), slope)
    rows, columns = (int(v) for v in torch.randint(-24, 25, (2,), generator=rng))
    strength = uniform((n, 1, 1, 1), 0.2, 0.8, rng) * chance(n, 0.75, rng)
    shadow = strength * F.avg_pool2d(displace(opacity, rows, columns), 5, stride=1, padding=2)
    return Veil(parallax(opacity, rng) * phase.opacity, cloud, slope, shadow)


def parallax(opacity: Tensor, rng: Generator) -> Tensor:
    """(n, 7, h, w) opacity of each band from (n, 1, h, w); in a quarter of batches, bands are up to 2 pixels apart."""
    if torch.rand(1, generator=rng) > 0.25:
        return opacity.expand(-1, 7, -1, -1)
    step = torch.randint(-1, 2, (2,), generator=rng)
    order = (0, 1, 2, 0, -1, -2, 1)
    return torch.cat([displace(opacity, int(k * step[0]), int(k * step[1])) for k in order], 1)
