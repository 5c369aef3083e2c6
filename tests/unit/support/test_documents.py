"""The documents that other tests rely on are what they say they are."""

from collections.abc import Callable
from io import BytesIO

import pypdfium2
import pypdfium2.raw as pdfium
import pytest
from PIL import Image, UnidentifiedImageError

from tests.support import documents


def texts(content: bytes, password: str | None = None) -> list[str]:
    """The text layer of each page, with line ends as newlines."""
    with pypdfium2.PdfDocument(content, password=password) as pdf:
        return [page.get_textpage().get_text_range().replace("\r\n", "\n").strip() for page in pdf]


def ink(image: Image.Image) -> int:
    """How many pixels of a page image are dark."""
    return sum(image.convert("L").histogram()[:100])


def images_of(content: bytes, page: int) -> int:
    """How many images a page of a PDF shows."""
    with pypdfium2.PdfDocument(content) as pdf:
        return len(list(pdf[page].get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE])))


def test_text_pdf_numbers_its_pages() -> None:
    """Each page has the given text with its own number in it."""
    assert ["Sheet 1\nend", "Sheet 2\nend"] == texts(documents.text_pdf(pages=2, text="Sheet {page}\nend"))


def test_documents_are_reproducible() -> None:
    """The same call gives the same bytes, so that content hashes can be compared."""
    assert documents.text_pdf() == documents.text_pdf()
    assert documents.scanned_pdf() == documents.scanned_pdf()


def test_table_pdf_has_every_cell_and_rules() -> None:
    """The words of all cells are there in reading order, and so are lines."""
    content = documents.table_pdf()
    assert [cell for row in documents.TABLE_ROWS for cell in row] == texts(content)[0].split()
    with pypdfium2.PdfDocument(content) as pdf:
        paths = list(pdf[0].get_objects(filter=[pdfium.FPDF_PAGEOBJ_PATH]))
    assert len(paths) >= len(documents.TABLE_ROWS)


def test_scanned_pdf_has_images_and_no_text() -> None:
    """Each page is one image that shows something, without a text layer."""
    content = documents.scanned_pdf(pages=2)
    assert ["", ""] == texts(content)
    assert [1, 1] == [images_of(content, page) for page in range(2)]
    with pypdfium2.PdfDocument(content) as pdf:
        assert ink(pdf[0].render().to_pil()) > 500


def test_mixed_pdf_is_text_then_scan() -> None:
    """Only the first page has a text layer, only the second an image."""
    content = documents.mixed_pdf()
    assert [documents.TEXT.replace("{page}", "1"), ""] == texts(content)
    assert [0, 1] == [images_of(content, page) for page in range(2)]


@pytest.mark.parametrize(("make", "kind"), [(documents.png, "PNG"), (documents.jpeg, "JPEG")])
def test_page_images_show_text(make: Callable[[str], bytes], kind: str) -> None:
    """PNG and JPEG are A4 at 200 dpi with ink on them, and more text is more ink."""
    with Image.open(BytesIO(make("A longer line of words"))) as long, Image.open(BytesIO(make("A"))) as short:
        assert (kind, (1654, 2339)) == (long.format, long.size)
        assert ink(long) > ink(short) > 0


def test_tiff_has_frames() -> None:
    """The frames are as many as asked for and differ from one another."""
    with Image.open(BytesIO(documents.tiff(frames=3))) as image:
        frames = []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            frames.append(image.convert("L").tobytes())
    assert (3, 3) == (len(frames), len(set(frames)))


def test_encrypted_pdf_wants_its_password() -> None:
    """It opens with the password, and neither without one nor with another."""
    content = documents.encrypted_pdf("sesame")
    assert [documents.TEXT.replace("{page}", "1")] == texts(content, "sesame")
    for wrong in (None, "other"):
        with pytest.raises(pypdfium2.PdfiumError, match=r"[Pp]assword"):
            texts(content, wrong)


def test_truncated_pdf_cannot_be_opened() -> None:
    """It begins like a PDF, and yet no reader finds its pages."""
    content = documents.truncated_pdf()
    assert content.startswith(b"%PDF-")
    with pytest.raises(pypdfium2.PdfiumError):
        texts(content)


def test_huge_page_pdf_claims_its_size() -> None:
    """The page measures 200,000 points each way in a file of a few kilobytes."""
    content = documents.huge_page_pdf()
    with pypdfium2.PdfDocument(content) as pdf:
        assert (200_000, 200_000) == pdf[0].get_size()
    assert len(content) < 4_096


def test_object_bomb_multiplies() -> None:
    """Each level multiplies what the page holds by the fan-out, and the whole bomb stays a small file."""
    with pypdfium2.PdfDocument(documents.object_bomb_pdf(depth=4, fan_out=3)) as pdf:
        objects = list(pdf[0].get_objects(filter=[pdfium.FPDF_PAGEOBJ_TEXT], max_depth=10))
    assert 3**4 == len(objects)
    bomb = documents.object_bomb_pdf()
    assert len(bomb) < 16_384
    with pypdfium2.PdfDocument(bomb) as pdf:
        assert 1 == len(pdf)


def test_broken_page_pdf_loses_one_page() -> None:
    """The broken page raises, the others can be read."""
    with pypdfium2.PdfDocument(documents.broken_page_pdf(pages=3, broken=2)) as pdf:
        assert 3 == len(pdf)
        fine = [pdf[index].get_textpage().get_text_range() for index in (0, 2)]
        with pytest.raises(pypdfium2.PdfiumError):
            pdf[1]
    assert ["Page 1 is fine", "Page 3 is fine"] == fine


def test_empty_pdf_has_no_pages() -> None:
    """pdfium itself opens it and counts no page; pypdfium2 refuses it for that."""
    content = documents.empty_pdf()
    document = pdfium.FPDF_LoadMemDocument64(content, len(content), None)
    assert document
    assert 0 == pdfium.FPDF_GetPageCount(document)
    pdfium.FPDF_CloseDocument(document)
    with pytest.raises(pypdfium2.PdfiumError):
        pypdfium2.PdfDocument(content)


def test_page_bomb_image_is_refused_by_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow, with the limit that it comes with, sees a decompression bomb in a file of under a hundred bytes."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 89_478_485)
    content = documents.page_bomb_image()
    assert len(content) < 100
    with pytest.raises(Image.DecompressionBombError):
        Image.open(BytesIO(content))


def test_not_a_document_is_none() -> None:
    """Neither pdfium nor Pillow opens it."""
    content = documents.not_a_document()
    with pytest.raises(pypdfium2.PdfiumError):
        pypdfium2.PdfDocument(content)
    with pytest.raises(UnidentifiedImageError):
        Image.open(BytesIO(content))
