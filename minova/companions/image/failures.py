"""What can go wrong only in the image service; the rest is in common/errors.py."""

from minova.common import errors


class Gone(errors.NotFound):
    """The image was deleted while its data was on the way (HTTP 410)."""

    template = "Image {id} was deleted during the upload; its data was thrown away."


class StoreFull(errors.TooLarge):
    template = "The image store has no room left for this image; ask the cloud's operator."


class BadRange(errors.MinovaError):
    """A Range header that lies outside the data (HTTP 416)."""

    template = "The range {range} does not lie within the image's {size} bytes."


FAMILIES: tuple[tuple[type[Exception], int], ...] = ((Gone, 410), (BadRange, 416))
