"""Forms of webhooks. They parse; what is right is decided by the verbs."""

import json
from typing import Any

from django import forms

from cluster.models import Slot
from services.webhooks import bodies
from services.webhooks.actions import NAME_LENGTH, Settings
from services.webhooks.rows import SHAPE_CHOICES, WebhookEndpoint
from services.webhooks.types import TYPES

_GROUPS = {
    "swap": "everything else of swaps",
    "lock": "everything of locks",
    "schedule": "everything of schedules",
    "warm": "everything of warm-ups",
    "stop": "everything of stops",
}
_HEADERS_HELP = "One Name: value a line, such as Authorization: Bearer … Kept encrypted, never shown again."
_OPTIONS_HELP = "One name=value a line, as the shape asks for, such as topic=gpu for ntfy."
_TEMPLATE_HELP = (
    'JSON with places such as {"text": "{{ sentence }}"}, or plain text. docs/webhooks.md lists the values.'
)


def _area(rows: int, placeholder: str = "") -> forms.Textarea:
    return forms.Textarea(
        attrs={"rows": rows, "spellcheck": "false", "placeholder": placeholder, "autocomplete": "off"}
    )


def type_choices() -> list[tuple[str, str]]:
    """Patterns of whole groups first, then each type with its meaning."""
    groups = [(f"{name}.*", f"{name}.*: {meaning}") for name, meaning in _GROUPS.items()]
    return groups + [(kind.name, f"{kind.name}: {kind.meaning}") for kind in TYPES.values()]


class WebhookForm(forms.Form):
    name = forms.CharField(max_length=NAME_LENGTH, help_text="The name people see, such as openclaw.")
    url = forms.CharField(max_length=2000, label="Address", help_text="http or https, where events are sent to.")
    event_types = forms.MultipleChoiceField(
        required=False,
        choices=type_choices,
        widget=forms.CheckboxSelectMultiple,
        label="Event types",
        help_text="Leave all unchosen to be told of all.",
    )
    slots = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, help_text="Leave all unchosen to be told of all."
    )
    shape = forms.ChoiceField(choices=SHAPE_CHOICES, initial=bodies.STANDARD, label="Shape of the body")
    template = forms.CharField(required=False, widget=_area(6), help_text=_TEMPLATE_HELP)
    options = forms.CharField(required=False, widget=_area(3), help_text=_OPTIONS_HELP)
    headers = forms.CharField(required=False, widget=_area(3), help_text=_HEADERS_HELP)
    enabled = forms.BooleanField(required=False, initial=True)
    secret = forms.CharField(
        required=False,
        max_length=256,
        label="Signing secret of your own",
        help_text="Blank makes one. It is shown once.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        slots = self.fields["slots"]
        assert isinstance(slots, forms.MultipleChoiceField)  # noqa: S101 - tells the type checker, not the user
        slots.choices = [(name, name) for name in Slot.objects.values_list("name", flat=True)]

    def clean_template(self) -> Any:
        text = self.cleaned_data["template"].strip()
        if not text.startswith(("{", "[")) or text.startswith("{{"):
            return text or None
        try:
            return json.loads(text)
        except ValueError as error:
            raise forms.ValidationError(f"This is no JSON: {error}.") from None

    def clean_options(self) -> dict[str, Any]:
        return {name: _value(value) for name, value in _pairs(self.cleaned_data["options"], "=")}

    def clean_headers(self) -> dict[str, str | None]:
        """A name with nothing after it keeps what is stored."""
        return {name: value or None for name, value in _pairs(self.cleaned_data["headers"], ":")}

    def settings(self) -> Settings:
        given = {name: value for name, value in self.cleaned_data.items() if name != "secret"}
        if given["shape"] != bodies.CUSTOM:
            given["template"] = None
        return Settings(**given)


def _pairs(text: str, mark: str) -> list[tuple[str, str]]:
    found = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        name, sep, value = line.partition(mark)
        if not sep:
            raise forms.ValidationError(f"Write name{mark}value, one a line.")
        found.append((name.strip(), value.strip()))
    return found


def _value(text: str) -> Any:
    """true, false and numbers are what they look like; the rest is text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float) else text


def filled(endpoint: WebhookEndpoint, header_names: list[str]) -> WebhookForm:
    """The form as it first shows an endpoint. Header values stay where they are."""
    same = {name: getattr(endpoint, name) for name in ("name", "url", "event_types", "slots", "shape", "enabled")}
    template = endpoint.template
    shown = {
        "template": template if isinstance(template, str) else json.dumps(template, indent=2) if template else "",
        "options": "\n".join(f"{name}={_text(value)}" for name, value in endpoint.options.items()),
        "headers": "\n".join(f"{name}:" for name in header_names),
    }
    return WebhookForm(initial={**same, **shown})


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


class ReplayForm(forms.Form):
    since = forms.DateTimeField(
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"), label="Events since"
    )
    what = forms.ChoiceField(
        choices=[("failed", "What was given up"), ("all", "Everything this webhook wants, delivered or not")],
        widget=forms.RadioSelect,
        initial="failed",
    )
