# ruff: noqa: ARG002 - the admin fixes the signatures
"""API keys: made and revoked here, shown once, never edited."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from cluster.api.permissions import SCOPES
from cluster.pages import actor_of
from cluster.refusals import Refusal
from services import actions
from services.models import ApiKey


class KeyForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    scopes = forms.MultipleChoiceField(choices=list(SCOPES.items()), widget=forms.CheckboxSelectMultiple)

    class Meta:
        model = ApiKey
        fields = ["name", "scopes", "expires_at"]


@admin.register(ApiKey)
class ApiKeyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for the type checker only
    form = KeyForm
    list_display = ["name", "prefix", "scopes", "created_by", "created_at", "last_used_at", "expires_at", "revoked_at"]
    search_fields = ["name", "prefix"]
    actions = ["revoke"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_authenticated and request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        given: dict[str, Any] = form.cleaned_data
        try:
            made, text = actions.make_key(
                given["name"], given["scopes"], by=actor_of(request), expires_at=given["expires_at"]
            )
        except Refusal as refusal:
            self.message_user(request, refusal.detail, messages.ERROR)
            return
        obj.pk = made.pk
        self.message_user(request, f"Copy this key now; it is never shown again: {text}", messages.WARNING)

    @admin.action(description="Revoke the chosen keys", permissions=["add"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[ApiKey]) -> None:
        for key in chosen:
            try:
                actions.revoke_key(key, by=actor_of(request))
                self.message_user(request, f"{key.name} opens nothing any more.", messages.SUCCESS)
            except Refusal as refusal:
                self.message_user(request, refusal.detail, messages.ERROR)
