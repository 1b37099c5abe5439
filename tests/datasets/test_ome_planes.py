"""OME-XML that says where planes lie costs no more than the planes that there are."""

import tracemalloc
from pathlib import Path

from ssrl_core.datasets.reading import ome
from ssrl_core.datasets.reading.ome import axes_of_pages, planes_in

OWN = Path("a.tif")


def document(planes, *, sizes, images=1):
    """OME-XML of images alike.

    Args:
        planes: (channel, depth, time, page, count).  sizes: of C, Z, T.
    """
    where = "".join(
        f'<TiffData FirstC="{c}" FirstZ="{z}" FirstT="{t}" IFD="{page}" PlaneCount="{count}">'
        f'<UUID FileName="{OWN}">urn:uuid:1</UUID></TiffData>'
        for c, z, t, page, count in planes
    )
    c, z, t = sizes
    image = f'<Image><Pixels DimensionOrder="XYCZT" SizeC="{c}" SizeZ="{z}" SizeT="{t}">{where}</Pixels></Image>'
    return f"<OME>{image * images}</OME>"


def test_pages_in_an_order_tell_their_axes_and_scattered_ones_do_not():
    told = [(n % 2, n // 6, n // 2 % 3, n, 1) for n in range(24)]
    assert axes_of_pages(document(told, sizes=(2, 4, 3)), OWN, 24) == ("RZTC", (1, 4, 3, 2))
    swapped = [*told[:22], (*told[23][:3], 22, 1), (*told[22][:3], 23, 1)]
    assert axes_of_pages(document(swapped, sizes=(2, 4, 3)), OWN, 24) is None
    assert axes_of_pages(document(told[:23], sizes=(2, 4, 3)), OWN, 23) is None
    assert axes_of_pages(document([(0, 0, 0, 0, 24)], sizes=(2, 4, 3)), OWN, 24) == ("RTZC", (1, 3, 4, 2))


def test_scattered_pages_take_no_memory():
    text = document([(n, 7 * n % 40, 11 * n % 40, n, 1) for n in range(40)], sizes=(40, 40, 40))
    tracemalloc.start()
    try:
        assert axes_of_pages(text, OWN, 40) is None
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_plane_is_where_it_was_named_first():
    (planes,) = planes_in(document([(0, 0, 0, 5, 99_999), (1, 0, 0, 9, 50)], sizes=(2, 1, 1)), OWN)
    assert planes == {(0, 0, 0): (OWN, 5), (1, 0, 0): (OWN, 6)}


def test_a_document_names_no_more_planes_than_are_followed(monkeypatch):
    monkeypatch.setattr(ome, "MOST_PLANES", 250)
    monkeypatch.setattr(ome, "MOST_OF_AN_IMAGE", 100)
    many = [(0, 0, 0, 0, 99_999), (0, 0, 999, 0, 99_999), (1, 0, 998, 0, 1)]
    lengths = [len(planes) for planes in planes_in(document(many, sizes=(1000, 1000, 1000), images=4), OWN)]
    assert lengths == [100, 100, 50, 0]
    assert axes_of_pages(document(many, sizes=(1000, 1000, 1000), images=4), OWN, 60) is None
