"""How /api/schema names the ways to authenticate."""

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension


class BearerKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "services.api.authentication.BearerKey"
    name = "key"

    def get_security_definition(self, *_: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An API key: spk_..."}


class SignedInPersonScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "services.api.authentication.SignedInPerson"
    name = "session"

    def get_security_definition(self, *_: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}
