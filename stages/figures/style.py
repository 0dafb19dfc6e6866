"""Colours, names and drawing rules of every picture that the project makes: the one place.

Figures are built from `matplotlib.figure.Figure` directly, never from pyplot: no backend, no state between figures, and
the same bytes whenever the same figure is drawn again.
"""

import base64
import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.ticker import LogFormatter

CLASS_COLOURS = {
    0: "#eceae4", 1: "#27609c", 2: "#d4553f", 3: "#3f9b6b", 4: "#e0a526", 5: "#7d52a8", 6: "#2aa7b8", 7: "#a5673f",
    8: "#e38ab5", 9: "#6f7f2e", 10: "#8fb4e3", 11: "#5b3a5e", 12: "#b8d08a", 13: "#f0825a", 14: "#1f4d4a",
    255: "#a9a9a9",
}  # fmt: skip
"""Colour of each label in masks, targets and outputs: background, the classes by value, void."""

RECIPE_COLOURS = {"no recipe": "#22262b", "literal": "#d4553f", "stable": "#27609c"}
"""Colour of a row's dot, by the name of its recipe."""

INK = "#22262b"
MUTED = "#6b7178"
LINE = "#d9d6cf"
MARK = "#ff9a3d"  # a line or word on top of a surface
SEQUENTIAL = "magma"  # variances, flip weights
SURFACE = "viridis"  # losses
BOX_LINE = "#62c6d8"

DPI = 200
WIDTH = 9.6  # inches, of every sheet; a page shows it about 1000 pixels wide
FONT_SIZE = 8.5
RULES: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so every machine has it
    "font.size": FONT_SIZE,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.titlesize": FONT_SIZE,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "uncertain",
}


@dataclass(frozen=True, repr=False)
class Picture:
    """A finished figure and what it shows, for those who cannot see it. A notebook displays it as a PNG."""

    figure: Figure
    alt: str

    def png(self) -> bytes:
        """Return the figure as PNG, without the date and version that matplotlib would write into it."""
        buffer = io.BytesIO()
        with rc_context(RULES):
            _set_literal(self.figure)
            self.figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
        return buffer.getvalue()

    def __repr__(self) -> str:
        return f"Picture: {self.alt}"

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        png = base64.b64encode(self.png()).decode()
        return {"image/png": png, "text/plain": repr(self)}, {"image/png": {"alt": self.alt}}


def _set_literal(figure: Figure) -> None:
    """Let every text but the numbers of logarithmic axes stand as it is: a `$` in a class's name begins no formula."""
    axes = [axis for panel in figure.axes for axis in (panel.xaxis, panel.yaxis)]
    powers = [axis for axis in axes if isinstance(axis.get_major_formatter(), LogFormatter)]
    numbers = {label for axis in powers for label in axis.get_ticklabels(which="both")}
    for text in figure.findobj(Text):
        text.set_parse_math(text in numbers)


def class_picture(labels: np.ndarray) -> np.ndarray:
    """Colour labels (H, W) as (H, W, 3) uint8. A label without a colour is drawn as void."""
    palette = np.full((256, 3), _rgb(CLASS_COLOURS[255]), np.uint8)
    for label, colour in CLASS_COLOURS.items():
        palette[label] = _rgb(colour)
    return palette[np.asarray(labels, np.uint8)]


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


class Sheet:
    """Rows and columns of equally large small pictures, with a heading, column titles and row labels.

    Sizes are in inches; the panels share `WIDTH` and keep the pictures' `aspect` (height / width).
    """

    MARGIN, LABELS, GAP, BLOCK_GAP = 0.12, 0.5, 0.05, 0.16
    HEADING, GROUP, TITLES, SUBTITLE_LINE, BOTTOM = 0.34, 0.24, 0.24, 0.175, 0.14
    SUBTITLE_LETTERS = 165  # in one line

    def __init__(
        self,
        columns: Sequence[str],
        rows: Sequence[str],
        aspect: float,
        *,
        heading: str = "",
        subtitle: Sequence[str] = (),
        groups: Sequence[tuple[int, int, str]] = (),
        block: int = 0,
        colorbar: str | None = None,
    ):
        """Lay out the panels.

        Args:
            columns: Titles. rows: labels at the left, or "".
            aspect: Height over width of the pictures.
            heading: Above all; subtitle: lines below it.
            groups: (first column, last column, title) of columns that belong together.
            block: So many rows belong together, with a gap before the next.
            colorbar: The label of a colour scale below the panels.
        """
        self.left = self.MARGIN + (self.LABELS if any(rows) else 0)
        self._block = block or len(rows)
        self.columns, self.rows = columns, rows
        starts = {first for first, _, _ in groups}
        self._gaps = [0.18 if c and c in starts else self.GAP for c in range(len(columns))]
        self.width = (WIDTH - self.left - self.MARGIN - sum(self._gaps[1:])) / len(columns)
        self.height = self.width * aspect
        unbroken = (text.replace(" %", "\N{NO-BREAK SPACE}%") for text in subtitle)
        subtitle = [line for text in unbroken for line in textwrap.wrap(text, self.SUBTITLE_LETTERS)]
        above = (self.HEADING if heading else 0) + self.SUBTITLE_LINE * len(subtitle) + self.TITLES
        self._top = above + (self.GROUP if groups else 0.06)
        self.total_height = self._y(len(rows) - 1) + self.height + self.BOTTOM + (0.5 if colorbar else 0)
        self.figure = Figure(figsize=(WIDTH, self.total_height))
        self._colorbar_label = colorbar
        self._write(heading, subtitle, groups)

    def panel(self, row: int, column: int) -> Axes:
        """Add an empty panel at this place: no ticks, a hair-line frame."""
        bottom = self.total_height - self._y(row) - self.height
        axes = self._axes(self._x(column), bottom, self.width, self.height)
        axes.set_xticks([])
        axes.set_yticks([])
        return axes

    def colorbar(self, image: AxesImage) -> Colorbar:
        """Draw the one colour scale of the sheet, below the panels at the right."""
        axes = self._axes(WIDTH - self.MARGIN - 2.2, 0.36, 2.2, 0.09)
        bar = self.figure.colorbar(image, cax=axes, orientation="horizontal")
        bar.outline.set_visible(False)
        axes.tick_params(labelsize=FONT_SIZE - 2, length=2, pad=1.5)
        self.figure.text(
            (WIDTH - self.MARGIN - 2.3) / WIDTH,
            0.405 / self.total_height,
            self._colorbar_label,
            ha="right",
            va="center",
            fontsize=FONT_SIZE - 1,
            color=MUTED,
        )
        return bar

    def _x(self, column: int) -> float:
        return self.left + column * self.width + sum(self._gaps[1 : column + 1])

    def _y(self, row: int) -> float:
        """Return the distance of a row's upper edge from the top."""
        return self._top + row * (self.height + self.GAP) + row // self._block * self.BLOCK_GAP

    def _axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        h = self.total_height
        return self.figure.add_axes((left / WIDTH, bottom / h, width / WIDTH, height / h))

    def _text(self, x: float, from_top: float, text: str, **style: object) -> None:
        self.figure.text(x / WIDTH, 1 - from_top / self.total_height, text, **style)

    def _write(self, heading: str, subtitle: Sequence[str], groups: Sequence[tuple[int, int, str]]) -> None:
        self._text(self.MARGIN, 0.13, heading, fontsize=FONT_SIZE + 1.5, fontweight="bold", va="top")
        for i, line in enumerate(subtitle):
            y = self.HEADING + self.SUBTITLE_LINE * i
            self._text(self.MARGIN, y, line, fontsize=FONT_SIZE - 1, color=MUTED, va="top")
        for first, last, title in groups:
            left, right = self._x(first), self._x(last) + self.width
            y = self._top - self.TITLES - 0.04
            self._text((left + right) / 2, y, title, ha="center", va="bottom", fontsize=FONT_SIZE, fontweight="bold")
        for column, title in enumerate(self.columns):
            x = self._x(column) + self.width / 2
            self._text(x, self._top - 0.06, title, ha="center", va="bottom", fontsize=FONT_SIZE - 0.5)
        for row, label in enumerate(self.rows):
            y = self._y(row) + self.height / 2
            style = {"fontsize": FONT_SIZE - 1.5, "color": MUTED, "linespacing": 1.3}
            self._text(self.left - 0.08, y, label, ha="right", va="center", **style)


def draw(axes: Axes, picture: np.ndarray, **style: object) -> AxesImage:
    """Draw a small picture with its pixels visible; one with more pixels than the panel is averaged down instead."""
    inches = axes.get_position().width * axes.figure.get_figwidth()
    interpolation = "nearest" if picture.shape[1] <= inches * DPI else "antialiased"
    return axes.imshow(picture, interpolation=interpolation, aspect="auto", **style)


def outline(axes: Axes, indices: np.ndarray, colour: str = BOX_LINE) -> None:
    """Frame the visible part of each box of an index map (H, W), 0 outside of boxes."""
    for index in np.unique(indices[indices > 0]):
        y, x = np.nonzero(indices == index)
        size = (np.ptp(x) + 1, np.ptp(y) + 1)
        axes.add_patch(Rectangle((x.min() - 0.5, y.min() - 0.5), *size, fill=False, edgecolor=colour, linewidth=0.5))
