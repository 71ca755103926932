"""Tables for a terminal: shorter words, fewer columns, the same numbers."""

from __future__ import annotations

import pytest

from layerprof.views import Column, Row, Table, narrowed

PATH = "language_model.model.decoder.layers.*.self_attn.k_proj"


def table_of(path: str) -> Table:
    columns = (Column(name="layer", align="left"), Column(name="layers", quantity="integer"), Column(name="bytes"))
    return Table(title="t", columns=columns, rows=(Row(cells=(path, 2, 8), depth=1, role="closing"),))


@pytest.mark.parametrize(
    ("path", "width", "expected"),
    [
        (PATH, len(PATH), PATH),
        (PATH, 35, "language_model…*.self_attn.k_proj"),
        (PATH, 32, "language_model…self_attn.k_proj"),
        (PATH, 21, "language_model…k_proj"),
        (PATH, 20, "language_model.mode…"),
        ("a" * 30, 10, "a" * 9 + "…"),
        ("2×8, 8×16, 4×4", 8, "2×8, 8×…"),
        ("(model)", 36, "(model)"),
    ],
)
def test_a_long_word_keeps_its_first_part_and_as_many_last_ones_as_fit(path: str, width: int, expected: str) -> None:
    table = narrowed(table_of(path), widths={"layer": width})

    assert table.rows[0].cells == (expected, 2, 8)
    assert len(str(table.rows[0].cells[0])) <= width


def test_a_column_left_out_takes_its_cells_with_it() -> None:
    table = narrowed(table_of(PATH), widths={}, without=("layers",))

    assert [column.name for column in table.columns] == ["layer", "bytes"]
    assert table.rows == (Row(cells=(PATH, 8), depth=1, role="closing"),)
