"""What an exporter is given: consecutive records of the journal, decoded and cut only when needed."""

import pytest

from shipper.core.journal import Chunk
from shipper.delivery import Window
from shipper.testing.samples import encode
from shipper.wire import otlp

FIRST, SECOND = encode(["a0", "a1", "a2", "a3"]), encode(["b0", "b1"])


def window() -> Window:
    """a1 a2 a3 b0 b1, at places 11 to 13 and 20 to 21: between them is a gap."""
    return Window.of([Chunk(11, FIRST, 1, 4, whole=False), Chunk(20, SECOND, 0, 2, whole=True)])


def uids(of: Window) -> list[str]:
    assert of.count == len(of.records)
    assert otlp.count(of.otlp) == of.count
    return [each.record.uid for each in of.records]


def test_a_window_is_what_its_chunks_are():
    assert uids(window()) == ["a1", "a2", "a3", "b0", "b1"]
    assert window().next == 22
    assert repr(window()) == "<Window of 5 records, 11 to 22>"


def test_a_whole_entry_is_sent_as_it_is_stored():
    assert Window.of([Chunk(0, SECOND, 0, 2, whole=True)]).otlp is not None
    assert Window.of([Chunk(0, SECOND, 0, 2, whole=True)]).otlp == SECOND


@pytest.mark.parametrize(
    ("indexes", "expected", "next_place"),
    [
        ([0], ["a1"], 12),
        ([2, 3], ["a3", "b0"], 21),
        ([0, 4], ["a1", "b1"], 22),
        ([4, 0, 0], ["a1", "b1"], 22),
        (range(5), ["a1", "a2", "a3", "b0", "b1"], 22),
    ],
)
def test_select_keeps_order_and_places(indexes: list[int], expected: list[str], next_place: int):
    selected = window().select(indexes)
    assert selected
    assert uids(selected) == expected
    assert selected.next == next_place


def test_select_of_nothing_is_no_window():
    assert window().select([]) is None
    assert window().select([17]) is None


def test_split_gives_two_halves():
    left, right = window().split()
    assert uids(left) == ["a1", "a2"]
    assert uids(right) == ["a3", "b0", "b1"]
    assert (left.next, right.next) == (13, 22)


def test_each_gives_every_record_its_window():
    assert [(uids(each), each.next) for each in window().each()] == [
        (["a1"], 12),
        (["a2"], 13),
        (["a3"], 14),
        (["b0"], 21),
        (["b1"], 22),
    ]
