"""Data tables of any shape: every cell that is kept is written, once, in its row and under its column."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.curate.extract.test_blocks import all_text


@dataclass(frozen=True)
class Cell:
    tag: str
    columns: int
    rows: int
    markup: str
    """With `{}` for the cell's text."""


MARKUP = [
    "{}", "<b>{}</b>", "<p>{}</p>", "<div><span>{}</span></div>", '<a href="/x">{}</a>', "\n  {}\n", "<ul><li>{}</ul>",
    "<img src=a.png>{}", "{}<br>", "<font color=red>{}", "",
]  # fmt: skip
CELLS = st.builds(
    Cell,
    tag=st.sampled_from(["td", "th"]),
    columns=st.sampled_from([1, 1, 1, 1, 2, 3]),
    rows=st.sampled_from([1, 1, 1, 1, 2, 3]),
    markup=st.sampled_from(MARKUP),
)
ROWS = st.lists(st.lists(CELLS, min_size=1, max_size=5), min_size=1, max_size=6)


def laid_out(rows: list[list[Cell]]) -> list[dict[int, int]]:
    """Per row: column → number of the cell that begins there, by the HTML standard's algorithm (4.9.12.1)."""
    taken: set[tuple[int, int]] = set()
    found: list[dict[int, int]] = []
    numbers = itertools.count()
    for y, row in enumerate(rows):
        x, here = 0, {}
        for cell in row:
            while (x, y) in taken:
                x += 1
            here[x] = next(numbers)
            taken |= {(x + i, y + j) for i in range(cell.columns) for j in range(cell.rows)}
            x += cell.columns
        found.append(here)
    return found


def write(rows: list[list[Cell]], sections: int, closed: bool, caption: bool) -> tuple[str, list[str]]:
    """The table's HTML, and each cell's text in order, empty where its markup holds none."""
    numbers, out, texts = itertools.count(), [], []
    names = {0: "thead", 1: "tbody", 2: "tfoot"}
    for y, row in enumerate(rows):
        section = names[min(y, 2)] if sections else ""
        cells = ""
        for cell in row:
            text = f"cell{next(numbers)}x"
            texts.append(text if cell.markup else "")
            spans = f" colspan={cell.columns}" if cell.columns > 1 else ""
            spans += f' rowspan="{cell.rows}"' if cell.rows > 1 else ""
            cells += f"<{cell.tag}{spans}>{cell.markup.format(text)}" + (f"</{cell.tag}>" if closed else "")
        line = f"<tr>{cells}" + ("</tr>\n" if closed else "")
        out.append(f"<{section}>{line}</{section}>" if section else line)
    heading = "<caption>What it shows</caption>" if caption else ""
    return f"<table>{heading}{''.join(out)}</table>", texts


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, sections=st.booleans(), closed=st.booleans(), caption=st.booleans())
def test_every_cell_is_written_once_in_its_row_and_column(
    rows: list[list[Cell]], sections: bool, closed: bool, caption: bool
) -> None:
    html, texts = write(rows, sections, closed, caption)
    places = laid_out(rows)
    for markdown in (False, True):
        lines = all_text(f"<p>before</p>{html}<p>after</p>", markdown).split("\n")
        lines = [line for line in lines if line and set(line) - set("|- ")]
        assert (lines[0], lines[-1]) == ("before", "after")
        assert lines.count("What it shows") == caption
        written = [line for line in lines[1:-1] if line != "What it shows"]
        wanted = [
            {column: texts[number] for column, number in row.items() if texts[number]} for row in places
        ]  # fmt: skip
        wanted = [row for row in wanted if row]
        assert len(written) == len(wanted)
        for line, row in zip(written, wanted, strict=True):
            cells = [cell.strip() for cell in (line[1:-1] if markdown else line).split("|")]
            assert {column: cell.removeprefix("- ") for column, cell in enumerate(cells) if cell} == row
