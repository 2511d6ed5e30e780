"""A U-Net over cells of 4x4 pixels that gives each pixel one logit: of cloud, or of cloud shadow.

Reading cells instead of pixels leaves a sixteenth of the grid to compute. Outlines are sharp to the pixel all the same:
the network gives each cell a level and a coefficient; both are interpolated between the centres of cells, and the
coefficient is multiplied by how much brighter a pixel is than its surroundings. Coarser levels are interpolated too,
and the receptive fields of cells overlap, so no grid of cells shows in the score. All layers fold into convolutions.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows
from torch import Tensor, nn

BANDS = ("blue", "green", "red", "nir", "swir16", "swir22", "cirrus")
"""Channel order of every input and output, fixed."""
NIR, SWIR, CIRRUS = (BANDS.index(name) for name in ("nir", "swir16", "cirrus"))
OPTIONAL = BANDS[3:]
"""Bands that a scene may lack: they are then 0, and a plane of its own per band flags that."""
BRIGHTEST, CELL, GRID = 1.5, 4, 64
"""Reflectance to which inputs are clipped, as in training; side of a cell, which the encoder reads as one pixel, in
pixels; heights and widths must be multiples of GRID."""
BLOCKS, INDICES = (0, 1, 2, 2, 1), 7
"""Residual blocks of each level on the way down; number of spectral indices."""
DETAIL = 10.0
"""Logits per unit of reflectance that a pixel is brighter than its surroundings, where the coefficient is 1."""
CLEAR_LOGIT, CLOUD_LOGIT, GROUND_CELL, GROUND_WINDOWS = -3.4, -0.5, 16, (5, 13)
"""Logits below which a pixel is clear ground, and above which it is cloud; side in pixels of the squares over which
both are averaged; sides in squares of the windows around a pixel: 80 and 208 pixels."""
LEAST_SPREAD = (0.1, 0.05, 0.03), (0.1, 0.1, 0.1, 0.2)
"""Least spread of the features of ground, in log reflectance: of visible bands, and of each further band."""
USUAL_DISTANCE, LEAST_DISTANCE, MOST_UNLIKE, LEAST_SHARE = 2.0, 0.3, 1.9, 0.02
"""Squared distance to the clear ground, in spreads, from which a pixel is unlike it; what is added to each distance;
bound of unlikeness; share of the windows that must be clear, or cloud, for it to count in full."""
LEAST_CIRRUS = 0.012
"""Reflectance by which thin high cloud is brighter in the cirrus band than the ground (the least that Sen2Cor asks)."""
LEAST_OPACITY, LEAST_CONTRAST = 0.04, 0.05
"""Opacity up to which a pixel is faint; contrast of cloud and ground from which faintness counts, at twice it fully."""
Features = tuple[list[Tensor], Tensor, Tensor]
"""f planes (n, 1, h, w) in which pixels are compared, their least spread (f, 1, 1), flags if present (n, f, 1, 1)."""


def with_absent(x: Tensor, present: Tensor) -> Tensor:
    """(n, channels, h, w) from x (n, bands, h, w), with 0 in the channels that are not `present` (channels,)."""
    if present.all():
        return x
    whole = x.new_zeros(len(x), len(present), *x.shape[2:])
    whole[:, present] = x
    return whole


class ExactConv2d(nn.Conv2d):
    """A convolution that runs in fp32 whatever autocast says."""

    def forward(self, x: Tensor) -> Tensor:
        """As nn.Conv2d."""
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, batch norm and ReLU; they fold into one convolution for inference."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _channels_last(x: Tensor) -> Tensor:
    """(n, c, h, w) in the memory layout in which convolutions are fastest, and in the dtype that they run in."""
    dtype = torch.get_autocast_dtype(x.device.type) if torch.is_autocast_enabled(x.device.type) else x.dtype
    return x.to(dtype).contiguous(memory_format=torch.channels_last)


class _Residual(nn.Module):
    """Residual block: two convolutions and an identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _conv(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        """(n, width, h, w) to the same shape."""
        return F.relu_(self.second(self.first(x)).add_(x))


def _brightness(x: Tensor) -> Tensor:
    """(n, 1, h, w) mean of the visible bands, as a sum, because `mean` over three planes is slow."""
    return (x[:, 0:1] + x[:, 1:2] + x[:, 2:3]) * (1 / 3)


def _spread_in_cells(x: Tensor) -> Tensor:
    """(n, 1, h/4, w/4) standard deviation of the visible reflectance within each cell."""
    # pixel_unshuffle makes the 16 pixels of each cell its channels: (n, 1, h, w) -> (n, 16, h/4, w/4).
    bright = F.pixel_unshuffle(_brightness(x).float(), CELL)
    return (bright - bright.mean(1, keepdim=True)).square().mean(1, keepdim=True).add(1e-8).sqrt()


def _upscale(x: Tensor, factor: int) -> Tensor:
    """(n, c, factor * h, factor * w) from (n, c, h, w), interpolated between the centres of its pixels."""
    return F.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)


def spectral_indices(mean: Tensor, spread: Tensor, present: Tensor) -> Tensor:
    """(n, INDICES, h, w) indices that experts use, so that the network need not learn to divide.

    NDSI (Hall 1995), NDVI, whiteness (Gomez-Chova 2007; here range over mean), blue against red, log brightness,
    texture, magnified cirrus; 0 if a band is missing. Arguments: mean reflectance of cells (n, 7, h, w), the visible
    standard deviation within them (n, 1, h, w), and 1 if the scene has a band, else 0 (n, 7, 1, 1).
    """
    blue, green, red, nir, swir, _, cirrus = torch.split(mean, 1, 1)
    visible = mean[:, :3]
    bright = visible.mean(1, keepdim=True)
    planes = (
        (green - swir) / (green + swir + 0.05) * present[:, 4:5],
        (nir - red) / (nir + red + 0.05) * present[:, 3:4],
        (visible.amax(1, keepdim=True) - visible.amin(1, keepdim=True)) / (bright + 0.05),
        (blue - red) / (blue + red + 0.05),
        0.5 * (bright + 0.02).log() + 1,
        spread / (bright + 0.05),
        (20 * cirrus).clamp(max=2),
    )
    return torch.cat(planes, 1)


def above(value: Tensor, limit: Tensor | float, width: float) -> Tensor:
    """How surely values are above a limit, 0 to 1: 0.5 at the limit, 0.73 at `width` above it, 0.27 below it."""
    return torch.sigmoid((value - limit) / width)


def below(value: Tensor, limit: Tensor | float, width: float) -> Tensor:
    """How surely values are below a limit, 0 to 1; see `above`."""
    return torch.sigmoid((limit - value) / width)


def unlikeness(features: Features, logit: Tensor) -> Tensor:
    """(n, 1, h, w) log of each pixel's distance from the clear ground around it, relative to the usual distance.

    It is below 0 for pixels like clear ground, above 0 for brighter ones. The scene itself shows what is normal (the
    idea of INP-Former, Luo et al. 2025): gaps between clouds open, which look like the ground around them, and small
    clouds, which do not, are found. `logit` (n, 1, h, w) is the score so far.
    """
    # Along a row, for one feature f of a pixel x; c is how clear a pixel is, 0 to 1:
    #
    #   squares of 16 pixels   |   |   |   |   |   |   | x |   |   |   |   |   |   |   means of c, c * f and c * f^2
    #   windows                    [             [ 80 pixels ]    208 pixels     ]     means of squares, then of both
    #
    # Their ratios give mean and spread of the clear ground; both are interpolated to the pixels. The distance is
    # (f - mean)^2 / spread^2, averaged over features.
    planes, least, present = features
    clear = below(logit, CLEAR_LOGIT, 0.3)
    squares = [F.avg_pool2d(clear * power, GROUND_CELL) for f in planes for power in (f, f.square())]
    sums = torch.cat([F.avg_pool2d(clear, GROUND_CELL), *squares], 1)
    share, means = _window_means(sums)
    mean, variance = means[:, ::2], (means[:, 1::2] - means[:, ::2].square()).clamp(min=0) + least.square()
    weight = present / variance / present.sum(1, keepdim=True)
    distance = torch.full_like(logit, LEAST_DISTANCE)
    for i, f in enumerate(planes):  # one at a time: all of them at every pixel would take much memory
        difference = f - _upscale(mean[:, i : i + 1], GROUND_CELL)
        distance += difference.square_().mul_(_upscale(weight[:, i : i + 1], GROUND_CELL))
    distance = F.avg_pool2d(distance, 3, 1, 1, count_include_pad=False)  # without it, masks have three times the specks
    unlike = (distance / USUAL_DISTANCE).log().clamp(-MOST_UNLIKE, MOST_UNLIKE)
    bright = above(planes[0], _upscale(mean[:, :1], GROUND_CELL), 0.05)
    return torch.where(unlike > 0, unlike * bright, unlike) * _upscale((share / LEAST_SHARE).clamp(max=1), GROUND_CELL)


def _window_means(squares: Tensor) -> tuple[Tensor, Tensor]:
    """Around each square: mean weight (n, 1, h, w), weighted means (n, c, h, w); of weight, then c weighted values."""
    windows = [F.avg_pool2d(squares, side, 1, side // 2, count_include_pad=False) for side in GROUND_WINDOWS]
    sums = torch.stack(windows).mean(0)
    return sums[:, :1], sums[:, 1:] / (sums[:, :1] + 1e-4)


def faintness(x: Tensor, logit: Tensor) -> Tensor:
    """(n, 1, h, w) 0 to 1: near 1 where the formula of mixing, solved for the opacity, explains x by almost none.

    The brightness of cloud, and that of clear ground less its spread, are those of the windows around the pixel.
    """
    bright = F.avg_pool2d(_brightness(x).float(), 3, 1, 1, count_include_pad=False)
    (clear, ground), (cloudy, cloud) = (
        _window_means(F.avg_pool2d(torch.cat([weight, weight * bright, weight * bright.square()], 1), GROUND_CELL))
        for weight in (below(logit, CLEAR_LOGIT, 0.3), above(logit, CLOUD_LOGIT, 0.3))
    )
    mean = ground[:, :1]
    contrast, dark = cloud[:, :1] - mean, mean - (ground[:, 1:] - mean.square()).clamp(min=0).sqrt()
    shares = (clear / LEAST_SHARE).clamp(max=1) * (cloudy / LEAST_SHARE).clamp(max=1)
    per_opacity = 1 / contrast.clamp(min=LEAST_CONTRAST)
    opacity = bright * _upscale(per_opacity, GROUND_CELL) - _upscale(dark * per_opacity, GROUND_CELL)
    trust = _upscale(shares * (contrast / LEAST_CONTRAST - 1).clamp(0, 1), GROUND_CELL)
    return below(opacity, LEAST_OPACITY, 0.015) * trust


def high_cloud(cirrus: Tensor) -> Tensor:
    """(n, 1, h, w) 0 to 1: near 1 where the cirrus band (n, 1, h, w) shows high cloud, however thin.

    High ground, and any ground under dry air, shows in it too: what counts is how much brighter a pixel is than the
    darkest square of the window around it.
    """
    near, far = GROUND_WINDOWS
    darkest = -F.max_pool2d(-F.avg_pool2d(cirrus, GROUND_CELL), far, 1, far // 2)
    darkest = F.avg_pool2d(darkest, near, 1, near // 2, count_include_pad=False)
    fine = F.avg_pool2d(cirrus, 5, 1, 2, count_include_pad=False)  # hides the edges of pixels of 60 m
    return above(fine - _upscale(darkest, GROUND_CELL), LEAST_CIRRUS, 0.002)


def ground_features(x: Tensor, present: Tensor, shown: Tensor | None = None) -> Features:
    """Features in which pixels are compared: log brightness, colours, log ratios of bands.

    `x` (n, bands, h, w) is reflectance in the order of BANDS; `present` (n, 7) is 1 if the scene has the band, else 0;
    `shown` (7,) bool tells which of BANDS x holds, None: all.
    """
    bands = range(len(BANDS)) if shown is None else torch.nonzero(shown).flatten().tolist()
    logs = {band: (x[:, i : i + 1].float() + 0.01).log() for i, band in enumerate(bands)}
    blue, green, red = logs[0], logs[1], logs[2]
    planes, least = [(blue + green + red) / 3, blue - red, green - (blue + red) / 2], list(LEAST_SPREAD[0])
    flags = [torch.ones_like(present[:, 0])] * 3
    for band, spread in zip(range(3, len(BANDS)), LEAST_SPREAD[1], strict=True):
        other = band if BANDS[band] == "cirrus" else band - 1  # cirrus is compared as it is
        if band in logs and other in logs:
            planes.append(logs[band] - logs[other] if other < band else logs[band])
            least.append(spread)
            flags.append(present[:, band] * present[:, other])
    return planes, x.new_tensor(least, dtype=torch.float32)[:, None, None], torch.stack(flags, 1)[:, :, None, None]


def to_grid(x: Tensor) -> Tensor:
    """(n, c, h, w) clipped to 0..BRIGHTEST, the last row and column repeated up to multiples of GRID."""
    padding = (0, -x.shape[-1] % GRID, 0, -x.shape[-2] % GRID)
    return F.pad(x.clamp(0, BRIGHTEST), padding, mode="replicate")


class CellNet(nn.Module):
    """U-Net over cells whose head is one logit per pixel.

    Args:
        channels: number of bands; always the seven of BANDS.
        widths: channels of each level, finest first; each level has half the grid of the one before.
        blocks: residual blocks of each level on the way down; None: BLOCKS, as many as there are levels.
    """

    def __init__(
        self,
        channels: int = len(BANDS),
        widths: Sequence[int] = (48, 96, 128, 160, 160),
        blocks: Sequence[int] | None = None,
    ) -> None:
        """Random weights; ValueError for other channels than BANDS, or not 3 to 8 levels with at most 64 blocks."""
        super().__init__()
        blocks = BLOCKS[: len(widths)] if blocks is None else blocks
        if not 3 <= len(widths) == len(blocks) <= 8 or sum(blocks) > 64 or min(*widths, 1) < 1:
            raise ValueError(
                f"widths and blocks must be 3 to 8 levels with 64 blocks in all, not {widths} and {blocks}"
            )
        if channels != len(BANDS):
            raise ValueError(f"channels must be {len(BANDS)}, the bands {', '.join(BANDS)}, not {channels}")
        self.stem = nn.Sequential(
            nn.Conv2d(len(BANDS), widths[0], 2 * CELL, stride=CELL, padding=CELL // 2, bias=False),
            nn.BatchNorm2d(widths[0]),
        )
        self.hint = nn.Conv2d(len(OPTIONAL) + INDICES, widths[0], 1)
        self.down = nn.ModuleList()
        for i, width in enumerate(widths):
            entry = [_conv(widths[i - 1], width, stride=2)] if i else []
            self.down.append(nn.Sequential(*entry, *[_Residual(width) for _ in range(blocks[i])]))
        self.lateral = nn.ModuleList(nn.Conv2d(above, above, 1) for above in widths[:-1])
        self.lift = nn.ModuleList(nn.Conv2d(below, above, 1) for above, below in pairwise(widths))
        self.up = nn.ModuleList(_conv(above, above) for above in widths[:-1])
        exact = ExactConv2d(widths[0], 2, 1)  # in bfloat16 the logit would have steps of 1/64
        self.last = nn.Sequential(_conv(widths[0], widths[0]), exact)

    def score(self, x: Tensor, present: Tensor) -> Tensor:
        """(n, 1, h, w) logit of each pixel of x (n, 7, h, w), 0 in missing bands; `present` (n, 7) is 1 or 0."""
        code, _, _ = self._encode(x, present)
        return self._logit(code, x)

    def _encode(self, x: Tensor, present: Tensor, shown: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Code (n, width, h/4, w/4), level for colour (n, width, h/16, w/16) and mean (n, 7, h/4, w/4) of the cells.

        Arguments as in `ground_features`.
        """
        # The U-Net, drawn for five levels; numbers are shares of the height:
        #
        #   x --stem--> 1/4  --lateral--> (+) --up--> 1/4   code of each cell
        #                |  down           ^  lift, to twice the size
        #               1/8  --lateral--> (+) --up--> 1/8
        #               1/16 --lateral--> (+) --up--> 1/16  middle, from which the cloud's colour is predicted
        #               1/32 --lateral--> (+) --up--> 1/32
        #               1/64 --------------^
        #
        # The stem sees 8x8 pixels per cell of 4x4; `hint` adds what it cannot compute: ratios of bands.
        mean = F.avg_pool2d(x, CELL)
        conv, norm = self.stem
        weight = cast("Tensor", conv.weight)
        if shown is not None:
            mean, weight = with_absent(mean, shown), weight[:, shown]
        bias = cast("Tensor | None", conv.bias)
        entered = norm(F.conv2d(_channels_last(x), weight, bias, stride=CELL, padding=CELL // 2))
        flags = present[:, :, None, None].to(x.dtype)
        planes = flags[:, 3:].expand(-1, -1, *mean.shape[2:])
        hints = torch.cat([planes, spectral_indices(mean, _spread_in_cells(x), flags)], 1)
        h = F.relu_(self.hint(_channels_last(hints)).add_(entered))
        skips = []
        for level in self.down:
            h = level(h)
            skips.append(h)
        middle = h
        for i in reversed(range(len(self.up))):
            h = self.up[i](F.relu_(self.lateral[i](skips[i]).add_(_upscale(self.lift[i](h), 2))))
            middle = h if i == 2 else middle
        return h, middle, mean

    def _logit(self, code: Tensor, x: Tensor) -> Tensor:
        """(n, 1, h, w) logit from the code of the cells (n, width, h/4, w/4) and the brightness of the pixels of x."""
        # The network gives each cell a level and a coefficient. Both are interpolated between the centres of cells:
        #
        #   logit = level + DETAIL * coefficient * (brightness of the pixel - brightness of the cells around it)
        #
        # The last term draws outlines within cells: bright pixels get a higher logit than dark ones.
        bright = _brightness(x).float()
        cells = torch.cat([self.last(code), F.avg_pool2d(bright, CELL)], 1)
        smooth = _upscale(cells, CELL)
        return smooth[:, :1] + DETAIL * smooth[:, 1:2] * (bright - smooth[:, 2:])
