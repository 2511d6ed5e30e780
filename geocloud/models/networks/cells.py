"""A U-Net over cells of 4x4 pixels that gives each pixel one logit: of a veil, or of the shadow of one.

Reading cells in place of pixels gives each step a sixteenth of the grid. Outlines come out at every pixel all the same:
the network gives each cell a level and a coefficient, both are interpolated between the middles of cells, and the
coefficient is multiplied by how far a pixel outshines its surroundings. Coarser levels are interpolated too, and the
cells' fields of view overlap, so that no grid of cells shows in the score. All layers fold into convolutions.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows
from torch import Tensor, nn

BANDS = ("blue", "green", "red", "nir", "swir16", "swir22", "cirrus")
"""Channel order of every input and output, fixed."""
OPTIONAL = BANDS[3:]
"""Bands that a scene may lack: filled with 0, and marked as absent by a plane of their own."""
BRIGHTEST, CELL, GRID = 1.5, 4, 64
"""Reflectance to which inputs are clipped, as in training; pixels along each side of a cell, which the encoder reads as
one; and what heights and widths must be multiples of."""
BLOCKS, INDICES = (0, 1, 2, 2, 1), 7
"""Residual blocks of each level on the way down; planes that `spectral_indices` makes."""
SNOW_BRIGHTNESS, SNOW_COLOUR_RANGE = 0.4, 0.15
"""Visible reflectance from which, and range of its bands as a share of it up to which, a pixel is white."""
DETAIL = 10.0
"""Logits per reflectance that a pixel outshines its surroundings by, where the coefficient is 1."""
TEXTURE_WINDOW, TEXTURE_STRIDE = 16, 8
"""Cells along each side of the windows whose texture is read, and from one to the next: 64 and 32 pixels."""
GLARE, DARK, TEXTURES = 0.7, 0.12, 14
"""Visible reflectance above which, and below which, a pixel counts for a share of its window; figures of a window."""
CLEAR_LOGIT, CLOUD_LOGIT, GROUND_CELL, GROUND_WINDOWS = -3.4, -0.5, 16, (5, 13)
"""Logits below which a pixel is clear ground, and above which cloud; pixels along each side of the squares that these
are added up in, and squares along each side of the windows around a pixel: 80 and 208 pixels."""
LEAST_SPREAD = (0.1, 0.05, 0.03), (0.1, 0.1, 0.1, 0.2)
"""Least spread of the features of ground, in log reflectance: of the visible bands, and of each of the others."""
USUAL_DISTANCE, LEAST_DISTANCE, MOST_UNLIKE, LEAST_SHARE = 2.0, 0.3, 1.9, 0.02
"""Squared distance to the ground, in spreads, from which a pixel is unlike it, and what is added to each; bounds of
unlikeness; share of the windows that must be clear, or cloud, for it to count in full."""
LEAST_OPACITY, LEAST_CONTRAST = 0.04, 0.05
"""Opacity up to which a pixel is clear; reflectance by which cloud outshines ground to tell, twice that: in full."""
Features = tuple[list[Tensor], Tensor, Tensor]
"""Planes (n, 1, h, w) that pixels are compared by, their least spread (f, 1, 1), where each is there (n, f, 1, 1)."""


def with_absent(x: Tensor, present: Tensor) -> Tensor:
    """(n, channels, h, w) of x (n, bands, h, w), with 0 in the bands that are not `present` (channels,)."""
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
    """3x3 convolution, batch norm, ReLU: folds into one convolution at inference."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _channels_last(x: Tensor) -> Tensor:
    """(n, c, h, w) laid out as convolutions are quickest, in the type that they run in."""
    kind = torch.get_autocast_dtype(x.device.type) if torch.is_autocast_enabled(x.device.type) else x.dtype
    return x.to(kind).contiguous(memory_format=torch.channels_last)


class _Residual(nn.Module):
    """Two convolutions beside an identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _conv(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        """(n, width, h, w) to the same."""
        return F.relu_(self.second(self.first(x)).add_(x))


def _brightness(x: Tensor) -> Tensor:
    """(n, 1, h, w) mean of the visible bands; added up, for a mean over three planes is slow."""
    return (x[:, 0:1] + x[:, 1:2] + x[:, 2:3]) * (1 / 3)


def _spread(x: Tensor) -> Tensor:
    """(n, 1, h/4, w/4) standard deviation of the visible reflectance within each cell."""
    # pixel_unshuffle makes the 16 pixels of each cell its channels: (n, 1, h, w) -> (n, 16, h/4, w/4).
    bright = F.pixel_unshuffle(_brightness(x).float(), CELL)
    return (bright - bright.mean(1, keepdim=True)).square().mean(1, keepdim=True).add(1e-8).sqrt()


def _raise(x: Tensor, factor: int) -> Tensor:
    """(n, c, h, w) interpolated between the middles of its pixels, to a grid `factor` times as fine."""
    return F.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)


def spectral_indices(mean: Tensor, spread: Tensor, present: Tensor) -> Tensor:
    """Quotients that experts use, so that the network need not learn to divide: (n, INDICES, h, w).

    NDSI (Hall 1995), NDVI, whiteness (Gomez-Chova 2007, here the range over the mean), blue against red, log
    brightness, texture, cirrus magnified; 0 where a band is missing. Of the mean reflectance of cells (n, 7, h, w), the
    standard deviation of the visible within them (n, 1, h, w), and whether a band is there (n, 7, 1, 1).
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


def whiteness(blue: Tensor, green: Tensor, red: Tensor) -> Tensor:
    """(n, 1, h, w) 1 where a pixel is bright and without colour, 0 elsewhere."""
    brightest, darkest = torch.maximum(torch.maximum(blue, green), red), torch.minimum(torch.minimum(blue, green), red)
    mean = (blue + green + red) * (1 / 3)
    return torch.sigmoid((mean - SNOW_BRIGHTNESS) / 0.02) * torch.sigmoid(
        (SNOW_COLOUR_RANGE - (brightest - darkest) / (mean + 0.05)) / 0.01
    )


def over_windows(cells: Tensor) -> Tensor:
    """(n, c, h/8, w/8) means over windows of cells (n, c, h, w)."""
    margin = (TEXTURE_WINDOW - TEXTURE_STRIDE) // 2
    return F.avg_pool2d(cells, TEXTURE_WINDOW, TEXTURE_STRIDE, margin, count_include_pad=False)


def textures(x: Tensor) -> Tensor:
    """(n, TEXTURES, h/32, w/32) figures of windows, of reflectance (n, 3 or more, h, w); h and w multiples of GRID."""
    # Steps are differences between neighbours. Their mean and mean square are taken at scales of 1, 2, 4 and 8 pixels,
    # and all are brought to the grid of cells (4 pixels): 1 and 2 are averaged, 4 fits, 8 is repeated 2x2.
    #
    #   channels of `means`: 3 colour, 1 blue - red, 2 shares of glare and dark, 4 steps, 4 squares of steps
    #
    # Windows of 16x16 cells, one every 8, average them; of the squares the root is taken last.
    visible = x[:, :3].float()
    bright = visible.mean(1, keepdim=True)
    steps, at = [], bright
    for scale in (1, 2, 4, 8):
        step = _steps(at)
        steps.append(F.avg_pool2d(step, CELL // scale) if scale < CELL else step)
        steps.append(F.avg_pool2d(step.square(), CELL // scale) if scale < CELL else step.square())
        at = F.avg_pool2d(at, 2)
    steps[6:] = [F.interpolate(step, scale_factor=2.0) for step in steps[6:]]
    cells = [F.avg_pool2d(plane, CELL) for plane in (visible, (bright > GLARE).float(), (bright < DARK).float())]
    means = torch.cat([cells[0], cells[0][:, :1] - cells[0][:, 2:], *cells[1:], *steps[0::2], *steps[1::2]], 1)
    pooled = over_windows(means)
    return torch.cat([pooled[:, :10], pooled[:, 10:].clamp(min=0).add(1e-12).sqrt()], 1)


def _steps(plane: Tensor) -> Tensor:
    """(n, 1, h, w) steps to the neighbours at the right and below, added up; 0 at the last ones."""
    across = F.pad((plane[..., 1:] - plane[..., :-1]).abs(), (0, 1))
    return across + F.pad((plane[..., 1:, :] - plane[..., :-1, :]).abs(), (0, 0, 0, 1))


def unlikeness(features: Features, logit: Tensor) -> Tensor:
    """How unlike the clear ground around it each pixel is: the log of its distance from that, against the usual one.

    What is normal is learned from the scene itself (the idea of INP-Former, Luo et al. 2025): gaps between clouds open
    that look like the ground around, and small clouds are found that do not. It has the shape of the logit so far,
    (n, 1, h, w): below 0 for what is like clear ground, above for what is brighter.
    """
    # Along a row, for one feature f of a pixel x; c is how clear a pixel is, 0 to 1:
    #
    #   squares of 16 pixels   |   |   |   |   |   |   | x |   |   |   |   |   |   |   means of c, c * f and c * f^2
    #   windows                    [             [ 80 pixels ]    208 pixels     ]     means of squares, then of both
    #
    # Their quotients are mean and spread of the clear ground. Both are interpolated to the pixels; (f - mean)^2 /
    # spread^2, averaged over features, is the distance.
    planes, least, there = features
    clear = torch.sigmoid((CLEAR_LOGIT - logit) / 0.3)
    squares = [F.avg_pool2d(clear * power, GROUND_CELL) for f in planes for power in (f, f.square())]
    sums = torch.cat([F.avg_pool2d(clear, GROUND_CELL), *squares], 1)
    share, means = _around(sums)
    mean, squared = means[:, ::2], (means[:, 1::2] - means[:, ::2].square()).clamp(min=0) + least.square()
    weight = there / squared / there.sum(1, keepdim=True)
    distance = torch.full_like(logit, LEAST_DISTANCE)
    for i, f in enumerate(planes):  # one at a time, for at every pixel they are large
        off = f - _raise(mean[:, i : i + 1], GROUND_CELL)
        distance += off.square_().mul_(_raise(weight[:, i : i + 1], GROUND_CELL))
    distance = F.avg_pool2d(distance, 3, 1, 1, count_include_pad=False)  # or masks would have three times the specks
    unlike = (distance / USUAL_DISTANCE).log().clamp(-MOST_UNLIKE, MOST_UNLIKE)
    brighter = torch.sigmoid((planes[0] - _raise(mean[:, :1], GROUND_CELL)) / 0.05)
    return torch.where(unlike > 0, unlike * brighter, unlike) * _raise((share / LEAST_SHARE).clamp(max=1), GROUND_CELL)


def _around(squares: Tensor) -> tuple[Tensor, Tensor]:
    """What the windows around each square hold of a weight, and their means by it, of (n, 1 + c, h, w) weight first."""
    windows = [F.avg_pool2d(squares, side, 1, side // 2, count_include_pad=False) for side in GROUND_WINDOWS]
    sums = torch.stack(windows).mean(0)
    return sums[:, :1], sums[:, 1:] / (sums[:, :1] + 1e-4)


def faintness(x: Tensor, logit: Tensor) -> Tensor:
    """(n, 1, h, w) 1 where the formula of mixing, solved for the opacity, says that a pixel x is clear; 0 where not.

    Cloud is as bright as what is cloud in the windows around; ground as what is clear, less its spread, for it varies.
    """
    bright = F.avg_pool2d(_brightness(x).float(), 3, 1, 1, count_include_pad=False)
    (clear, ground), (cloudy, cloud) = (
        _around(F.avg_pool2d(torch.cat([weight, weight * bright, weight * bright.square()], 1), GROUND_CELL))
        for weight in (torch.sigmoid((CLEAR_LOGIT - logit) / 0.3), torch.sigmoid((logit - CLOUD_LOGIT) / 0.3))
    )
    mean = ground[:, :1]
    contrast, dark = cloud[:, :1] - mean, mean - (ground[:, 1:] - mean.square()).clamp(min=0).sqrt()
    shares = (clear / LEAST_SHARE).clamp(max=1) * (cloudy / LEAST_SHARE).clamp(max=1)
    per_opacity = 1 / contrast.clamp(min=LEAST_CONTRAST)
    opacity = bright * _raise(per_opacity, GROUND_CELL) - _raise(dark * per_opacity, GROUND_CELL)
    counts = _raise(shares * (contrast / LEAST_CONTRAST - 1).clamp(0, 1), GROUND_CELL)
    return torch.sigmoid((LEAST_OPACITY - opacity) / 0.015) * counts


def ground_features(x: Tensor, present: Tensor, shown: Tensor | None = None) -> Features:
    """What pixels are compared by: log brightness, colours, quotients of bands.

    Of reflectance x (n, 7, h, w) in the order of BANDS, or of those `shown` (7,) alone; `present` (n, 7) is 1 or 0.
    """
    places = range(len(BANDS)) if shown is None else torch.nonzero(shown).flatten().tolist()
    logs = {place: (x[:, i : i + 1].float() + 0.01).log() for i, place in enumerate(places)}
    blue, green, red = logs[0], logs[1], logs[2]
    planes, least = [(blue + green + red) / 3, blue - red, green - (blue + red) / 2], list(LEAST_SPREAD[0])
    there = [torch.ones_like(present[:, 0])] * 3
    for place, alike in zip(range(3, len(BANDS)), LEAST_SPREAD[1], strict=True):
        before = place if BANDS[place] == "cirrus" else place - 1  # it has no neighbour
        if place in logs and before in logs:
            planes.append(logs[place] - logs[before] if before < place else logs[place])
            least.append(alike)
            there.append(present[:, place] * present[:, before])
    return planes, x.new_tensor(least, dtype=torch.float32)[:, None, None], torch.stack(there, 1)[:, :, None, None]


def to_grid(x: Tensor) -> Tensor:
    """(n, c, h, w) clipped to BRIGHTEST, its last rows and columns repeated up to multiples of GRID."""
    padding = (0, -x.shape[-1] % GRID, 0, -x.shape[-2] % GRID)
    return F.pad(x.clamp(0, BRIGHTEST), padding, mode="replicate")


class CellNet(nn.Module):
    """U-Net over cells whose head is one logit per pixel.

    Args:
        channels: band channels; always the seven of BANDS.
        widths: channels of each level, from the cells down; each next level halves the grid.
        blocks: residual blocks of each level on the way down; None: BLOCKS, as far as there are levels.
    """

    def __init__(
        self,
        channels: int = len(BANDS),
        widths: Sequence[int] = (48, 96, 128, 160, 160),
        blocks: Sequence[int] | None = None,
    ) -> None:
        """Random weights; ValueError for any other number of channels, or levels out of bounds."""
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
        exact = ExactConv2d(widths[0], 2, 1)  # in bfloat16 the logit would come in steps of 1/64
        self.last = nn.Sequential(_conv(widths[0], widths[0]), exact)

    def score(self, x: Tensor, present: Tensor) -> Tensor:
        """(n, 1, h, w) the logit of every pixel of x (n, 7, h, w), absent bands 0; `present` (n, 7) is 1 or 0."""
        code, _, _ = self._encode(x, present)
        return self._logit(code, x)

    def _encode(self, x: Tensor, present: Tensor, shown: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """The code of each cell, the level of 4x4 cells that colour is read from, and the reflectance of each cell.

        Of x (n, 7, h, w), or of the bands ``shown`` (7,) alone; shapes are (n, width, h/4, w/4), (n, width, h/16, w/16)
        and (n, 7, h/4, w/4).
        """
        # A U-Net, drawn for five levels; numbers are shares of the height:
        #
        #   x --stem--> 1/4  --lateral--> (+) --up--> 1/4   code of each cell
        #                |  down           ^  lift, to twice the size
        #               1/8  --lateral--> (+) --up--> 1/8
        #               1/16 --lateral--> (+) --up--> 1/16  middle, which the cloud's colour is read from
        #               1/32 --lateral--> (+) --up--> 1/32
        #               1/64 --------------^
        #
        # The stem sees 8x8 pixels per cell of 4x4; `hint` adds what it cannot compute: quotients of the cell's mean.
        mean = F.avg_pool2d(x, CELL)
        entry, norm = self.stem
        weight = cast("Tensor", entry.weight)
        if shown is not None:
            mean, weight = with_absent(mean, shown), weight[:, shown]
        bias = cast("Tensor | None", entry.bias)
        entered = norm(F.conv2d(_channels_last(x), weight, bias, stride=CELL, padding=CELL // 2))
        there = present[:, :, None, None].to(x.dtype)
        flags = there[:, 3:].expand(-1, -1, *mean.shape[2:])
        hints = torch.cat([flags, spectral_indices(mean, _spread(x), there)], 1)
        h = F.relu_(self.hint(_channels_last(hints)).add_(entered))
        skips = []
        for level in self.down:
            h = level(h)
            skips.append(h)
        middle = h
        for i in reversed(range(len(self.up))):
            h = self.up[i](F.relu_(self.lateral[i](skips[i]).add_(_raise(self.lift[i](h), 2))))
            middle = h if i == 2 else middle
        return h, middle, mean

    def _logit(self, code: Tensor, x: Tensor) -> Tensor:
        """(n, 1, h, w) the cells' level, and their coefficient times how far the pixel outshines its surroundings."""
        # Per cell the network gives a level and a coefficient. Both are interpolated between the middles of cells:
        #
        #   logit = level + DETAIL * coefficient * (brightness of the pixel - brightness of the cells around it)
        #
        # Where an outline crosses a cell, the last term draws it: bright pixels get a higher logit than dark ones.
        bright = _brightness(x).float()
        cells = torch.cat([self.last(code), F.avg_pool2d(bright, CELL)], 1)
        smooth = _raise(cells, CELL)
        return smooth[:, :1] + DETAIL * smooth[:, 1:2] * (bright - smooth[:, 2:])
