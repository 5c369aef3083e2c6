"""Pictures of pages."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from reportlab.pdfgen.canvas import Canvas

from services.ocr.faults import PageFault
from services.ocr.render import fitting_dpi, render
from tests.unit.ocr.pages import drawn, empty_pdf, pdf_of, rotated

PDF = "application/pdf"


def fault_of(path: Path, mime_type: str, number: int = 1, dpi: int = 200, password: str | None = None) -> str:
    with pytest.raises(PageFault) as caught:
        render(path, mime_type, number, dpi, password)
    return caught.value.code


def test_pdf_page_has_the_asked_resolution(tmp_path: Path) -> None:
    """Points are the page's, pixels follow from the dots an inch."""
    page = render(empty_pdf(tmp_path / "a.pdf", 360, 720), PDF, 1, 100)
    assert page.image.mode == "L"
    assert (500, 1000) == page.image.size
    assert (100, 360, 720) == (page.dpi, page.width, page.height)


def test_pdf_page_is_shown_turned(tmp_path: Path) -> None:
    """/Rotate is applied: width and height are those that a reader sees."""
    path = rotated(pdf_of(drawn(), tmp_path / "a.pdf"), 90)
    page = render(path, PDF, 1, 200)
    assert (700, 1100) == page.image.size
    assert page.width < page.height


def test_picture_outlives_the_document(tmp_path: Path) -> None:
    """What was rendered is whole after the file was closed and removed."""
    path = pdf_of(drawn(), tmp_path / "a.pdf")
    page = render(path, PDF, 1, 200)
    path.unlink()
    assert page.image.tobytes().count(0) > 1000


def test_filled_form_fields_are_drawn(tmp_path: Path) -> None:
    """What somebody typed into a form is part of the page."""
    path = tmp_path / "form.pdf"
    canvas = Canvas(str(path), pagesize=(300, 100))
    canvas.acroForm.textfield(value="FILLED", x=20, y=30, width=200, height=40, fontSize=24, borderWidth=0)
    canvas.showPage()
    canvas.save()
    field = render(path, PDF, 1, 72).image.crop((25, 35, 150, 65))
    assert sum(field.point(lambda grey: grey < 100).tobytes()) > 50


def test_oversized_scan_is_not_enlarged(tmp_path: Path) -> None:
    """A page that is one picture, on paper larger than A3, has no more detail than the picture."""
    path = pdf_of(drawn(page=(1000, 1500)), tmp_path / "a.pdf", dpi=50)
    assert (1000, 1500) == render(path, PDF, 1, 200).image.size


def test_encrypted_pdf_needs_its_password(tmp_path: Path) -> None:
    """Without or with a wrong password the fault says so; with the right one the page is there."""
    path = pdf_of(drawn(), tmp_path / "a.pdf", password="secret")
    assert ["password_required"] * 2 == [fault_of(path, PDF), fault_of(path, PDF, password="wrong")]
    assert render(path, PDF, 1, 72, "secret").image.width > 0


@pytest.mark.parametrize("mime_type", [PDF, "image/png", "image/tiff"])
def test_damaged_files_are_unreadable(tmp_path: Path, mime_type: str) -> None:
    """Bytes that are no document are a fault with a code."""
    path = tmp_path / "a"
    path.write_bytes(b"%PDF-1.7 and nothing after")
    assert fault_of(path, mime_type) == "unreadable_page"


def test_cut_off_picture_is_unreadable(tmp_path: Path) -> None:
    """Half a PNG is a fault."""
    whole = tmp_path / "a.png"
    drawn().save(whole)
    whole.write_bytes(whole.read_bytes()[:2000])
    assert fault_of(whole, "image/png") == "unreadable_page"


@pytest.mark.parametrize("number", [0, 2, -1])
def test_pages_that_are_not_there(tmp_path: Path, number: int) -> None:
    """Numbers run from 1 to the number of pages."""
    pdf, picture = empty_pdf(tmp_path / "a.pdf", 72, 72), tmp_path / "a.png"
    drawn().save(picture)
    assert fault_of(pdf, PDF, number) == "unreadable_page"
    assert fault_of(picture, "image/png", number) == "unreadable_page"


def test_large_pages_get_fewer_dots() -> None:
    """100 megapixels and 32,000 pixels a side are the most, 50 dots an inch the least."""
    assert fitting_dpi(612, 792, 200) == 200
    assert fitting_dpi(14400, 14400, 200) == pytest.approx(50)
    assert fitting_dpi(72 * 320, 72, 200) == pytest.approx(100)


@pytest.mark.parametrize(("width", "height"), [(20000, 20000), (72 * 1000, 72)])
def test_too_large_pages_are_refused(width: float, height: float) -> None:
    """Under 50 dots an inch nothing can be read."""
    with pytest.raises(PageFault, match="page_too_large"):
        fitting_dpi(width, height, 200)


def test_a_tiny_page_is_a_picture(tmp_path: Path) -> None:
    """A page of a point still has a pixel."""
    page = render(empty_pdf(tmp_path / "a.pdf", 1, 1), PDF, 1, 72)
    assert (1, 1) == page.image.size


def saved(picture: Image.Image, path: Path, **options: object) -> Path:
    picture.save(path, **options)  # type: ignore[arg-type]  # each format has options of its own
    return path


def test_fine_scan_is_reduced(tmp_path: Path) -> None:
    """A picture that says how fine it is comes at the asked resolution, its size in points kept."""
    page = render(saved(Image.new("L", (2400, 1200), 255), tmp_path / "a.png", dpi=(400, 400)), "image/png", 1, 200)
    assert (1200, 600) == page.image.size
    assert (page.width, page.height) == pytest.approx((432, 216), abs=0.1)


def test_fax_dots_are_made_square(tmp_path: Path) -> None:
    """204 by 98 dots an inch, a fax at standard resolution, is stretched upright."""
    path = saved(Image.new("1", (1728, 1078), 1), tmp_path / "a.tif", dpi=(204, 98), compression="group4")
    page = render(path, "image/tiff", 1, 200)
    assert page.height / page.width == pytest.approx(page.image.height / page.image.width, rel=0.01)
    assert page.height == pytest.approx(11 * 72, abs=1)


def test_unsized_picture_is_taken_as_it_is(tmp_path: Path) -> None:
    """72 dots an inch is what editors write when they do not know; pixels are not thrown away for it."""
    page = render(saved(Image.new("L", (900, 700), 255), tmp_path / "a.png", dpi=(72, 72)), "image/png", 1, 200)
    assert (900, 700) == page.image.size


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, name: str) -> None:
    """Whatever the camera wrote, the dark corner is shown upper left, where the writer meant it."""
    upright = Image.new("L", (300, 200), 255)
    ImageDraw.Draw(upright).rectangle((0, 0, 99, 49), fill=0)
    stored = {
        1: upright,
        2: upright.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: upright.transpose(Image.Transpose.ROTATE_180),
        4: upright.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: upright.transpose(Image.Transpose.TRANSPOSE),
        6: upright.transpose(Image.Transpose.ROTATE_90),
        7: upright.transpose(Image.Transpose.TRANSVERSE),
        8: upright.transpose(Image.Transpose.ROTATE_270),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    page = render(saved(stored, tmp_path / name, exif=exif), "image/jpeg", 1, 200)
    assert (300, 200) == page.image.size
    assert page.width > page.height
    dark = page.image.point(lambda grey: 255 * (grey < 128)).getbbox()
    assert dark == pytest.approx((0, 0, 100, 50), abs=2)


def test_frames_of_a_tiff_are_pages(tmp_path: Path) -> None:
    """Page 2 is the second frame."""
    frames = [Image.new("L", (100 * n, 50), 255) for n in (1, 2, 3)]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    assert (200, 50) == render(tmp_path / "a.tif", "image/tiff", 2, 200).image.size


@pytest.mark.parametrize(
    ("mode", "paper", "ink", "name"),
    [
        ("1", 1, 0, "a.png"),
        ("L", 255, 0, "a.png"),
        ("LA", (0, 0), (0, 255), "a.png"),
        ("RGB", (255, 255, 255), (0, 0, 0), "a.png"),
        ("RGBA", (0, 0, 0, 0), (0, 0, 0, 255), "a.png"),
        ("P", 255, 0, "a.png"),
        ("I;16", 65535, 0, "a.png"),
        ("I;16", 65535, 0, "a.tif"),
        ("F", 1.0, 0.0, "a.tif"),
        ("CMYK", (0, 0, 0, 0), (0, 0, 0, 255), "a.jpg"),
        ("CMYK", (0, 0, 0, 0), (0, 0, 0, 255), "a.tif"),
        ("YCbCr", (255, 128, 128), (0, 128, 128), "a.jpg"),
        ("LAB", (255, 0, 0), (0, 0, 0), "a.tif"),
    ],
)
def test_every_kind_of_pixel_becomes_grey(tmp_path: Path, mode: str, paper: object, ink: object, name: str) -> None:
    """Ink is dark and paper is white, whatever the colour model, depth or transparency."""
    picture = Image.new(mode, (200, 100), paper)  # type: ignore[arg-type]  # a colour is what the mode makes it
    picture.paste(ink, (0, 0, 100, 100))  # type: ignore[arg-type]
    if mode == "P":
        picture.putpalette([level for grey in range(256) for level in (grey, grey, grey)])
    image = render(saved(picture, tmp_path / name), "image/png", 1, 200).image
    assert image.mode == "L"
    assert image.getpixel((20, 50)) == pytest.approx(0, abs=12)
    assert image.getpixel((180, 50)) == pytest.approx(255, abs=3)


def test_transparent_palette_is_shown_over_white(tmp_path: Path) -> None:
    """A palette entry that is declared transparent shows the paper."""
    path = saved(Image.new("P", (50, 50), 0), tmp_path / "a.png", transparency=0)
    assert (255, 255) == render(path, "image/png", 1, 200).image.getextrema()


def test_huge_picture_is_refused_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture that would fill the memory is a fault."""
    monkeypatch.setattr("services.ocr.render_image._MAX_BYTES", 1000)
    assert fault_of(saved(Image.new("RGB", (30, 30)), tmp_path / "a.png"), "image/png") == "page_too_large"
