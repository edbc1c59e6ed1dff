"""The image of a request: read up to a limit, and taken out of a form."""

import asyncio

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import File, FormParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from deployments.serving.answers import Refused

FORM = "multipart/form-data"
FIELD = "file"
UNNAMED = ("", "application/octet-stream")
HOW_TO_SEND = f"send the image itself as image/jpeg or image/png, or as {FIELD} of {FORM}"
MAX_FIELDS = 20


def check_kind(content_type: str) -> None:
    """Check that a request says it holds an image.

    Raises:
        Refused: it does not.
    """
    kind = _kind_of(content_type)
    if not (kind.startswith("image/") or kind == FORM or kind in UNNAMED):
        raise Refused(415, f"Content-Type {kind[:80]} is no image; {HOW_TO_SEND}")


async def read_body(request: Request, max_bytes: int, timeout: float) -> bytes:
    """Read the whole body.

    Args:
        request: The request.
        max_bytes: Limit of its length, which is also held where the length was not said before.
        timeout: Seconds without a byte until it is given up.

    Returns:
        The body.

    Raises:
        Refused: it is too large, or does not come.
    """
    too_large = Refused(413, f"the request is over {max_bytes / 1e6:g} MB; send a smaller image")
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > max_bytes:
        raise too_large
    body, chunks = bytearray(), aiter(request.stream())
    try:
        while True:
            async with asyncio.timeout(timeout):
                body += await anext(chunks)
            if len(body) > max_bytes:
                raise too_large
    except StopAsyncIteration:
        return bytes(body)
    except TimeoutError:
        raise Refused(408, f"nothing came for {timeout:g} s; send the image again") from None
    except ClientDisconnect:
        raise Refused(400, "the image did not come whole; send it again") from None


def image_in(body: bytes, content_type: str) -> bytes:
    """The image of a whole body.

    Args:
        body: The body.
        content_type: What the request says that it is.

    Returns:
        The image file.

    Raises:
        Refused: there is none in it.
    """
    image = _file_in(body, content_type) if _kind_of(content_type) == FORM else body
    if not image:
        raise Refused(422, f"the image is empty; {HOW_TO_SEND}")
    return image


def _file_in(body: bytes, content_type: str) -> bytes:
    """The one file of a form."""
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise Refused(400, f"{FORM} without a boundary; {HOW_TO_SEND}")
    found: list[File] = []
    config = {"MAX_MEMORY_FILE_SIZE": len(body) + 1, "MAX_FIELDS": MAX_FIELDS}  # nothing goes to disk
    try:
        parser = FormParser(FORM, None, found.append, boundary=boundary, config=config)
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise Refused(400, f"{FORM} that cannot be read ({error}); {HOW_TO_SEND}") from None
    files = [one for one in found if one.field_name == FIELD.encode()]
    if len(files) != 1:
        raise Refused(422, f"{len(files)} files named {FIELD} in the form; send one image a request")
    files[0].file_object.seek(0)
    return files[0].file_object.read()


def _kind_of(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
