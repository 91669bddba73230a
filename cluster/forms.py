"""Forms of the first-run steps. They parse; what is right is decided by the actions."""

from typing import Any

from django import forms

from cluster.actions import SLOT_FIELDS
from cluster.models import ForeignPolicy, Launcher, Slot, Spark
from cluster.refusals import Refusal
from cluster.slot_help import HELP

_FABRIC_HELP = "Address on the ConnectX cable; needed for models on two Sparks."
_KEY_HELP = "Only when this Spark must not use Spark Control's own key. Stored encrypted, never shown again."


class SparkForm(forms.Form):
    name = forms.CharField(max_length=40, help_text="Short and lower-case, such as spark-1.")
    host = forms.CharField(max_length=253, help_text="Name or IP address on your network.")
    ssh_user = forms.CharField(max_length=32, label="SSH user", help_text="The login name on the Spark.")
    ssh_port = forms.IntegerField(min_value=1, max_value=65535, initial=22, label="SSH port")
    fabric_ip = forms.GenericIPAddressField(required=False, label="Fabric IP", help_text=_FABRIC_HELP)
    private_key = forms.CharField(
        required=False,
        label="Own private key",
        help_text=_KEY_HELP,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "autocomplete": "off"}),
    )

    def values(self) -> dict[str, Any]:
        """For `save_spark`; the key goes another way."""
        given = {name: value for name, value in self.cleaned_data.items() if name != "private_key"}
        return given | {"fabric_ip": given["fabric_ip"] or None}


def spark_form(spark: Spark) -> SparkForm:
    shown = ("name", "host", "ssh_user", "ssh_port", "fabric_ip")
    return SparkForm(initial={name: getattr(spark, name) for name in shown})


class SlotForm(forms.Form):
    name = forms.CharField(max_length=40, initial="main", help_text="Short and lower-case.")
    label = forms.CharField(required=False, max_length=80)
    head = forms.ChoiceField(label="Head Spark", help_text="The Spark that answers applications.")
    workers = forms.MultipleChoiceField(
        required=False,
        label="Worker Sparks",
        widget=forms.CheckboxSelectMultiple,
        help_text="For models on several Sparks.",
    )
    port = forms.IntegerField(required=False, min_value=1, max_value=65535, help_text=HELP["port"])
    container = forms.CharField(required=False, max_length=64, help_text=HELP["container"])
    launcher = forms.ChoiceField(required=False, choices=Launcher, help_text=HELP["launcher"])
    launcher_dir = forms.CharField(
        required=False, max_length=255, label="Launcher directory", help_text=HELP["launcher_dir"]
    )
    image = forms.CharField(required=False, max_length=255, help_text=HELP["image"])
    memory_floor_gib = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=64,
        initial=6,
        label="Memory floor (GiB)",
        help_text=HELP["memory_floor_gib"],
    )
    drop_caches = forms.BooleanField(required=False, label="Drop the page cache", help_text=HELP["drop_caches"])
    foreign_gpu_users = forms.ChoiceField(
        required=False, choices=ForeignPolicy, label="Others on the GPU", help_text=HELP["foreign_gpu_users"]
    )
    relaunches_per_hour = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=12,
        initial=0,
        label="Automatic relaunches per hour",
        help_text=HELP["relaunches_per_hour"],
    )
    is_default = forms.BooleanField(required=False, initial=True, label="Default slot", help_text=HELP["is_default"])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = [(name, name) for name in Spark.objects.values_list("name", flat=True)]
        for field in ("head", "workers"):
            choosing = self.fields[field]
            assert isinstance(choosing, forms.ChoiceField)  # noqa: S101 - tells the type checker, not the user
            choosing.choices = names

    def values(self) -> dict[str, Any]:
        """For `save_slot`. A choice or a figure left blank stays as it was."""
        kept = ("launcher", "memory_floor_gib", "foreign_gpu_users", "relaunches_per_hour")
        return {name: value for name, value in self.cleaned_data.items() if name not in kept or value not in ("", None)}


def slot_form(slot: Slot) -> SlotForm:
    head, *workers = [spark.name for spark in slot.sparks()]
    return SlotForm(initial={"head": head, "workers": workers} | {name: getattr(slot, name) for name in SLOT_FIELDS})


def put_refusal(form: forms.Form, refusal: Refusal) -> None:
    """Show a refusal at the fields it names, or above the form."""
    for problem in refusal.errors:
        name = problem["field"].partition(".")[0]
        form.add_error(name if name in form.fields else None, problem["message"])
    if not refusal.errors:
        form.add_error(None, refusal.detail)
