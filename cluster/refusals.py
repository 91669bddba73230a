"""How an action says no: one exception per meaning, with the words and the code every door shows."""

from typing import Any


class Refusal(Exception):
    """`detail` is a sentence with the remedy; `extra` goes into the problem document as it is."""

    status = 409
    title = "Not possible now"

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: list[dict[str, str]] | None = None,
        location: str = "",
        retry_after_seconds: int | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = errors or []
        self.location = location
        self.retry_after_seconds = retry_after_seconds
        self.extra = extra or {}


class Invalid(Refusal):
    """A value is malformed; `errors` names the fields."""

    status = 400
    title = "Invalid request"


class Missing(Refusal):
    status = 404
    title = "Not found"


class Conflict(Refusal):
    status = 409
    title = "In progress or held"


class Lost(Refusal):
    """What the caller looked at has changed since."""

    status = 412
    title = "Changed meanwhile"


class Unprocessable(Refusal):
    """Well formed, but it cannot work; `extra["checks"]` says why."""

    status = 422
    title = "Refused"


class Locked(Refusal):
    """Somebody else holds the lock; `extra["lock"]` says who, what for and until when."""

    status = 423
    title = "Locked by somebody else"


class Unavailable(Refusal):
    status = 503
    title = "Busy or unknown"
