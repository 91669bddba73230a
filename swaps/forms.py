"""Forms of the catalog. They parse; `catalog.definition.validate` decides what is right, behind the actions."""

from typing import Any

from django import forms

from swaps.catalog.definition import Definition
from swaps.definition_text import WORD_FIELDS, as_fields, read_env, read_words


def _area(rows: int, placeholder: str = "") -> forms.Textarea:
    return forms.Textarea(attrs={"rows": rows, "spellcheck": "false", "placeholder": placeholder})


class ModelForm(forms.Form):
    """A catalog entry. `definition()` after `is_valid()`."""

    key = forms.CharField(max_length=100, help_text="Short name for programs; it cannot be changed later.")
    label = forms.CharField(max_length=120, help_text="The name people see.")
    repo = forms.CharField(
        required=False, max_length=200, label="Hugging Face repo", help_text="Such as openai/gpt-oss-120b."
    )
    local_path = forms.CharField(
        required=False, max_length=1024, help_text="Instead of a repo: a directory on the Sparks."
    )
    nodes = forms.IntegerField(min_value=1, max_value=8, initial=1, label="Sparks needed")
    expected_load_seconds = forms.IntegerField(
        required=False, min_value=1, label="Expected load time", help_text="Seconds; used until real loads are known."
    )
    args = forms.CharField(
        required=False,
        label="vLLM arguments",
        widget=_area(9, "--max-model-len 65536\n--gpu-memory-utilization 0.8"),
        help_text="As on a command line, after the model. Line breaks are free. Port and host are set by the slot.",
    )
    env = forms.CharField(
        required=False,
        label="Environment",
        widget=_area(3, "NAME=value"),
        help_text="One NAME=value per line. No secrets.",
    )
    image = forms.CharField(
        required=False, max_length=255, label="Container image", help_text="Blank means the slot's."
    )
    launcher_args = forms.CharField(required=False, label="Launcher arguments", widget=_area(2))
    docker_args = forms.CharField(required=False, label="Docker arguments", widget=_area(2))
    mods = forms.CharField(required=False, widget=_area(2), help_text="Mod directories of the launcher, one per line.")
    notes = forms.CharField(required=False, widget=_area(3))

    def clean_env(self) -> tuple[tuple[str, str], ...]:
        try:
            return read_env(self.cleaned_data["env"])
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None

    def clean(self) -> dict[str, Any]:
        for name in WORD_FIELDS:
            try:
                self.cleaned_data[name] = read_words(self.cleaned_data.get(name, ""))
            except ValueError:
                self.add_error(name, "A quote is opened and not closed.")
        return self.cleaned_data

    def definition(self) -> Definition:
        given = self.cleaned_data
        return Definition(**{**given, "repo": given["repo"] or None, "local_path": given["local_path"] or None})


def filled(definition: Definition) -> ModelForm:
    """The form as it first shows an existing entry."""
    return ModelForm(initial=as_fields(definition))


class ImportForm(forms.Form):
    file = forms.FileField(required=False, label="YAML file")
    text = forms.CharField(
        required=False, label="Or paste it here", widget=_area(12, "models:\n  my-model:\n    repo: …")
    )

    def clean(self) -> dict[str, Any]:
        file = self.cleaned_data.get("file")
        try:
            self.cleaned_data["yaml"] = file.read().decode() if file else self.cleaned_data.get("text", "")
        except UnicodeDecodeError:
            raise forms.ValidationError("The file is not UTF-8 text.") from None
        if not self.cleaned_data["yaml"].strip():
            raise forms.ValidationError("Choose a file or paste YAML.")
        return self.cleaned_data
