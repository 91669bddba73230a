"""ETag and If-Match: nobody overwrites what they have not seen."""

import re

from django.http import HttpRequest

from cluster.api.problems import PreconditionRequired
from cluster.refusals import Lost


def etag(version: int) -> str:
    return f'"{version}"'


def expected_version(request: HttpRequest, current: int) -> int:
    """The version the caller saw. Raises PreconditionRequired without If-Match, Lost when it is not `current`.

    `If-Match: *` means "whatever it is now".
    """
    header = request.headers.get("If-Match", "").strip()
    if not header:
        hint = f"Send If-Match with the ETag you read, now {etag(current)}."
        raise PreconditionRequired("precondition-required", hint)
    if header == "*" or str(current) in _versions(header):
        return current
    raise Lost("version-moved", f"It was changed meanwhile and is now {etag(current)}; read it again, then repeat.")


def _versions(header: str) -> set[str]:
    return set(re.findall(r'(?:\A|,)\s*"(\d{1,18})"', header))
