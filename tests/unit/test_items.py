"""What a loop takes batches from: the same as slicing by hand, and random segments that a resume can draw again."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cmivae.training.items import Images, Segments, chunks

CPU = torch.device("cpu")
T = 5
SPANS = torch.tensor([[0, 5], [5, 23], [28, 14], [42, 10]])  # first frame and number of frames of each utterance
STARTS = torch.tensor([0, 5, 10, 15, 20, 28, 33, 42, 47])
INDICES = [
    torch.tensor([3, 0, 8]),
    torch.tensor([2]),
    torch.tensor([], dtype=torch.long),
    slice(2, 6),
    slice(7, 100),
    slice(None),
]


def frames() -> torch.Tensor:
    """Each value says its frame and its bin.  (52, 3)"""
    return torch.arange(52)[:, None] + torch.tensor([0.0, 0.25, 0.5])


def segments(spans: torch.Tensor | None = None) -> Segments:
    return Segments(frames(), STARTS, T, CPU, spans)


def starts_of(items: Segments) -> list[int]:
    """First frames, read off what the items yield."""
    return items[slice(None)][:, 0, 0].long().tolist()


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_segments_are_slices_of_the_frames(index):
    items = segments()
    expected = [frames()[start : start + T] for start in STARTS[index].tolist()]
    assert len(items) == 9
    assert items[index].shape == (len(expected), T, 3)
    assert [part.tolist() for part in items[index]] == [part.tolist() for part in expected]


@pytest.mark.parametrize("index", [INDICES[0], INDICES[3]], ids=str)
def test_images_are_float_with_a_channel(index):
    images = (torch.rand(9, 28, 28, generator=torch.Generator().manual_seed(0)) < 0.3).to(torch.uint8)
    items = Images(images)
    found = items[index]
    assert len(items) == 9
    assert found.dtype == torch.float32
    assert torch.equal(found, images[index][:, None].float())
    items.redraw(1, 2)
    assert torch.equal(items[index], found)


def test_fixed_segments_stay_where_they_are():
    items = segments()
    items.redraw(1, 2)
    assert starts_of(items) == STARTS.tolist()


@settings(max_examples=60)
@given(lengths=st.lists(st.integers(T, 4 * T), min_size=1, max_size=8), seed=st.integers(0, 2**31 - 1))
def test_random_segments_lie_within_their_utterance_and_keep_their_number(lengths, seed):
    ends = torch.tensor(lengths).cumsum(0)
    spans = torch.stack([ends - torch.tensor(lengths), torch.tensor(lengths)], dim=1)
    fixed = [int(first) + T * n for first, count in spans.tolist() for n in range(count // T)]
    table = torch.arange(float(ends[-1]))[:, None]
    items = Segments(table, torch.tensor(fixed), T, CPU, spans)
    for epoch in range(3):
        items.redraw(seed, epoch)
        drawn = starts_of(items)
        assert len(items) == len(drawn) == len(fixed)
        owners = [n for n, count in enumerate(lengths) for _ in range(count // T)]
        for start, owner in zip(drawn, owners, strict=True):
            first, count = spans[owner].tolist()
            assert first <= start <= first + count - T
        assert torch.equal(items[slice(None)][:, -1, 0].long(), torch.tensor(drawn) + T - 1)


def test_random_segments_are_known_from_seed_and_epoch_alone():
    one, other = segments(SPANS), segments(SPANS)
    assert starts_of(one) == STARTS.tolist()  # as long as no epoch began
    for epoch in (0, 1, 5):
        one.redraw(3, epoch)
    other.redraw(3, 5)
    assert starts_of(one) == starts_of(other)
    other.redraw(3, 6)
    assert starts_of(one) != starts_of(other)
    other.redraw(4, 5)
    assert starts_of(one) != starts_of(other)


def test_every_place_of_an_utterance_is_drawn_alike():
    items, counts = segments(SPANS), [0] * 52
    for epoch in range(600):
        items.redraw(0, epoch)
        for start in starts_of(items):
            counts[start] += 1
    expected = [0.0] * 52
    for first, count in SPANS.tolist():
        places = count - T + 1
        for place in range(places):
            expected[first + place] = 600 * (count // T) / places
    assert counts[0] == 600  # an utterance of one segment has but one place
    assert [found > 0 for found in counts] == [wanted > 0 for wanted in expected]
    assert all(abs(found - wanted) <= 5 * wanted**0.5 for found, wanted in zip(counts, expected, strict=True))


@given(count=st.integers(0, 400), size=st.integers(2, 60))
def test_chunks_cover_everything_and_leave_no_item_alone(count, size):
    found = list(chunks(count, size))
    covered = [item for part in found for item in range(count)[part]]
    assert covered == list(range(count))
    lengths = [part.stop - part.start for part in found]
    assert all(2 <= length <= size + 1 for length in lengths) or count == 1
    assert all(length == size for length in lengths[:-1])
