"""Which part of a list a caller asks for."""

from mesh.errors import InvalidArgument


def window(page: int, per_page: int) -> tuple[int, int]:
    """Limit and offset of a page, from 1; 0 stands for what is usual. Raises InvalidArgument."""
    page, per_page = page or 1, per_page or 20
    if page < 1 or not 1 <= per_page <= 100:
        raise InvalidArgument("page is at least 1, per_page from 1 to 100.", field="page")
    return per_page, (page - 1) * per_page
