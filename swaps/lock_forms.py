"""Forms of the lock. They parse; what is right is decided by the verbs."""

from django import forms

from swaps.lock_rules import LONGEST_TTL_SECONDS, MAX_PURPOSE, MAX_REASON, MIN_REASON

LONGEST_MINUTES = LONGEST_TTL_SECONDS // 60
_REASON_HELP = f"At least {MIN_REASON} characters. The journal keeps it, and the holder can read it."


class TakeForm(forms.Form):
    purpose = forms.CharField(
        max_length=MAX_PURPOSE, label="What for", help_text="Whoever has to wait reads it, such as daily vol run."
    )
    minutes = forms.IntegerField(
        min_value=1, max_value=LONGEST_MINUTES, initial=30, help_text="Then it ends by itself. You can extend it."
    )


class ForceForm(forms.Form):
    fence = forms.IntegerField(min_value=0, max_value=2**63 - 1, widget=forms.HiddenInput)
    reason = forms.CharField(
        label="Why",
        help_text=_REASON_HELP,
        widget=forms.Textarea(attrs={"rows": 3, "minlength": MIN_REASON, "maxlength": MAX_REASON}),
    )
    cancel_swap = forms.BooleanField(required=False)
