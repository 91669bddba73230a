"""Secrets never reach a stored log line, an event or an error: they are masked here first."""

import re

MASK = "***"

# vLLM up to 0.19 prints its api_key in clear among "non-default args", the launcher's
# --check-config prints every -e value, and hub errors quote signed download addresses.
_NAME_OF_ONE = (
    r"(?:(?:[A-Za-z0-9]{1,40}[_-]){0,6}"
    r"(?:api[_-]?keys?|apikey|(?:access|auth|refresh|bearer|hf|hub|github|secret|admin)[_-]?token"
    r"|passwd|password|client[_-]?secret|(?:secret|private|access)[_-]?key)|token(?=\s*=))"
)
# A closing quote may be missing where a line was cut; quotes are escaped in an echoed command.
_VALUE = (
    r"(?:\[[^\]\n]*\]?|\\+\"[^\"\\\n]*(?:\\+\")?|'[^'\n]*'?|\"[^\"\n]*\"?"
    r"|[^\s,;&'\"\])}\\]+)"
)

_NAMED = re.compile(
    rf"(?P<keep>(?<![A-Za-z0-9_])\\*['\"]?{_NAME_OF_ONE}\\*['\"]?\s*[:=]\s*)(?!None\b|null\b){_VALUE}",
    re.IGNORECASE,
)
_ENVIRONMENT = re.compile(r"(?P<keep>\b(?:[A-Z0-9]{1,40}_){0,6}(?:TOKEN|SECRET|PASSWORD|PASSWD|KEY)=)" + _VALUE)
_OPTION = re.compile(
    r"(?P<keep>--(?:[a-z0-9]{1,40}[-_]){0,6}(?:api[-_]?key|hf[-_]token|token|password)(?:[ =]\s*))(?!-)" + _VALUE,
    re.IGNORECASE,
)
_AUTHORIZATION = re.compile(r"(?P<keep>\b(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE)
_USERINFO = re.compile(r"(?P<keep>\b[A-Za-z][A-Za-z0-9+.-]{0,30}://)[^\s/?#'\"<>]{1,500}(?=@)")
_SIGNED_QUERY = re.compile(
    r"(?P<keep>[?&](?:X-Amz-(?:Signature|Credential|Security-Token)|Signature|Policy|sig|token"
    r"|access_token|api_key|key)=)[^\s&'\"<>]+",
    re.IGNORECASE,
)
# Shapes that are secrets wherever they stand. hf_ needs a digit, a capital or length, because
# names such as hf_overrides share the prefix.
_SHAPES = (
    re.compile(r"(?P<keep>\bhf_)(?=[a-z]*[A-Z0-9]|[A-Za-z0-9]{20})[A-Za-z0-9]{8,}"),
    re.compile(r"(?P<keep>\bnvapi-)[A-Za-z0-9_-]{8,}"),
    re.compile(r"(?P<keep>\bsk-)[A-Za-z0-9_-]{8,}"),
    re.compile(r"(?P<keep>\b(?:spk|slk|whsec|ghp|gho|github_pat)_)[A-Za-z0-9_-]{6,}"),
    re.compile(r"(?P<keep>\beyJ)[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"),
)
_ALL = (_AUTHORIZATION, _USERINFO, _SIGNED_QUERY, _NAMED, _ENVIRONMENT, _OPTION, *_SHAPES)


_WHEREVER = (_AUTHORIZATION, _USERINFO, _SIGNED_QUERY, *_SHAPES)


def looks_secret(word: str) -> bool:
    """A token, or an address with a password, by its own shape."""
    return any(pattern.search(word) for pattern in _WHEREVER)


# A line that was cut may end in the first few characters of a secret, too few for the rules above.
_CUT = re.compile(
    r"(?P<keep>\b(?:hf_|nvapi-|sk-|(?:spk|slk|whsec|ghp|gho|github_pat)_|eyJ|(?:Bearer|Basic)\s+"
    r"|[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s/@:]{0,200}:))[^\s@]*(?P<end>…?)$",
    re.IGNORECASE,
)


def mask_cut(text: str) -> str:
    """As `mask_secrets`, for a line whose end is missing: what may be the beginning of a secret goes, too."""
    return _CUT.sub(rf"\g<keep>{MASK}\g<end>", mask_secrets(text))


def mask_secrets(text: str) -> str:
    """Text with tokens, keys, passwords and URL credentials replaced by ``***``.

    Knows the shapes hf_, nvapi-, sk-, spk_ (and kin), Bearer and Basic headers, values named like
    a secret, userinfo and signatures in URLs. Masking twice changes nothing more.
    """
    for pattern in _ALL:
        text = pattern.sub(rf"\g<keep>{MASK}", text)
    return text
