"""Strings that have broken tools like ours: more than 500, each once, by class.

Every command among them tries to create a file named `pwned`, so that a test can see whether any ran.
"""

from collections.abc import Iterator

PAYLOAD = "touch pwned"

_SUBSTITUTIONS = ("$({})", "`{}`", "${{x:-$({})}}", "$(( $({}) ))", "<({})", ">({})", "$(<({}))", "${{IFS}}{}", "$'{}'")
# fmt: off
_SEPARATORS = (
    ";", "|", "||", "&", "&&", "|&", "\n", "\r\n", "\r", ";;", "&>/dev/null;", "2>&1;", ")", "};", "fi;", "done;",
)
_QUOTES = (
    "'", '"', "''", '""', '\'"\'', '"\'"', "\\'", '\\"', '\\', '\\\\', "'\\''", '"\'"\'"', "$'", '$"', "\\`", "\xb4",
    "\u2019", "\u201c",
)
_GLOBS = (
    "*", "?", "[a-z]*", "**", "*.txt", "[!a]*", "{a,b}", "{1..9}", "~", "~root", "~+", "~/x", "*/", "/*", "?(a)",
    "!(a)", "@(a|b)",
)
_VARIABLES = (
    "$HOME", "${HOME}", "$IFS", "$@", "$*", "$$", "$!", "$?", "$-", "$0", "$1", "${PATH//:/ }", "${!HOME}", "$PWD",
    "!!", "!$", "!1",
)
_WHITE = (
    " ", "  ", "\t", "\x0b", "\x0c", "a b", " a", "a ", "a\tb", "\xa0", "\u2003", "\u200b", "\ufeff", "\u3000",
    "\u2028", "\u2029", "\x85",
)
_LEADING_DASHES = (
    "-", "--", "-x", "--privileged", "--privileged=true", "--pid=host", "--pid", "--cap-add=ALL", "--device=/dev/sda",
    "--security-opt=apparmor=unconfined", "--entrypoint=/bin/sh", "--user=0", "-u0", "--userns=host", "--uts=host",
    "--volume=/:/host", "-v/:/host", "-v=/:/host", "--mount=type=bind,source=/,target=/host",
    "--env-file=/etc/shadow", "-oProxyCommand=touch pwned", "-oProxyCommand=touch${IFS}pwned", "--rcfile=/tmp/x",
    "-c", "-e", "-i", "-f", "-n", "-d", "--help", "--version", "--init-file=x", "--upload-pack=touch pwned",
    "--exec=touch pwned", "--output=/etc/passwd", "--host=0.0.0.0", "--port=1", "--port", "--por", "--nnodes",
    "--node_rank=1", "--master-addr=evil", "--api-key=x", "--API-KEY", "--headless", "--config=/x", "--uds=/tmp/x",
    "--ssl-keyfile=x", "--model=x", "--solo", "--launch-script", "--label=sparkcontrol.swap=1", "--name=other",
    "--network=none", "--rm", "--restart=always", "--gpus=none", "-t", "-p",
)
_PATHS = (
    "..", ".", "/", "//", "/..", "../", "../..", "../../etc/passwd", "/etc/passwd", "/etc/shadow",
    "/proc/self/environ", "/proc/1/root", "/dev/sda", "/dev/tcp/127.0.0.1/1", "/var/run/docker.sock",
    "/run/docker.sock", "/root/.ssh/id_rsa", "/home/u/.ssh", "/home/u/models/../../../etc", "/home/u/./x", "/home//x",
    "/a:/b", "/a:/b:rw", "C:\\Windows", "\\\\host\\x", "file:///etc/passwd", "a/b/c", "a//b", "/a/b/", "./a", "~/a",
    "~root/a", "/models/a b", "/models/a,b", "/models/a:b", "mods/../../x", "mods/./x", "/mods/x", "mods/x/",
    "mods//x", "-mods/x", "mods/-x", "mods/.x", "mods/x.zip",
)
_NAMES = (
    "org", "/", "org/", "/name", "a/b/c", "org/..", "../name", ".org/name", "org/.name", "-org/name", "org/-name",
    "org/name;", "org/na me", "org/name\n", "org/name\x00", "org/n\xe4me", "ORG/NAME", "org/name@main",
    "org/name:tag", "org/name#x", "org/name?x=1", "org/name%2e%2e", "org%2Fname", "org/name--x", "org\\name",
    "https://x/y", "org/name.git", "vllm-node:", ":tag", "image:tag:tag", "IMAGE", "image@sha256:short",
    "registry:99999999/x", "image tag", "im\tage", "a__b", "host name", "host;x", "256.1.1.1", "::1%eth0", "[::1]",
    "host\n", "user@host", "host,host",
    "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh",
    "a..b", ".a", "a.",
)
_UNICODE = (
    "\xe4", "\xe9", "e\u0301", "\uff21", "\ufb00", "\u0131", "\xdf", "\u03a9", "\u4e2d\u6587", "\u65e5\u672c\u8a9e",
    "\ud55c\uad6d\uc5b4", "\u05e2\u05d1\u05e8\u05d9\u05ea", "\u0627\u0644\u0639\u0631\u0628\u064a\u0629",
    "\u0939\u093f\u0928\u094d\u0926\u0940", "\u0e44\u0e17\u0e22", "\U0001f600",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467", "\U0001f3f3\ufe0f\u200d\U0001f308", "\U0001f4a9", "\u202egnp.exe",
    "\u202a", "\u2066x\u2069", "\u200f", "\u061c", "p\u0430ypal", "\u0391dmin", "a\u0300\u0301\u0302\u0303", "\ufffd",
    "\ufffe", "\uffff", "\U0010ffff", "\ud800", "\udfff", "a\udc80b", "\ue000", "\xad", "\u034f",
    "Z\u0351\u036ba\u0361l\u0303g\u0315o",
)
_TERMINAL = (
    "\x1b[31mred\x1b[0m", '\x1b]8;;http://x\x1b\\x\x1b]8;;\x1b\\', "\x1b]0;title\x07", "\x1b[2J", "\x9b31m", "\x07",
    "\x08\x08", "\x7f", "\x00", "a\x00b", "\x00--privileged", "\x01", "\x02", "\x03", "\x04", "\x1a", "\x1c", "\x1f",
    "%00", "%0a", "%0d%0aX: y",
)
_OTHER_LANGUAGES = (
    "{{7*7}}", "{% load x %}", "${7*7}", "#{7*7}", "<%= 7 %>", "{0.__class__}", "%(x)s", "%s%s%s%n", "%x", "{}",
    "{0}", "{{}}", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "javascript:alert(1)",
    "'; DROP TABLE x;--", "' OR 1=1--", "__proto__", "constructor", "__class__", "null", "None", "undefined", "NaN",
    "Infinity", "true", "false", "0", "-1", "1e309", "0x1f", "0777", "1_000", "1:30", "yes", "no", "on", "off",
    "=cmd|' /C calc'!A0", "+1", "@SUM(1)", "!!python/object/apply:os.system", "*alias", "&anchor", "<<", "---", "...",
    "? x", "- x", "key: value", "# comment", "| x", "> x", "[1, 2", "{a: b", "%YAML 1.1", '{"a":1}', '{"a":"b c"}',
    '{"a":"$(touch pwned)"}', "{'a': 1}", '{"a":[1,{"b":null}]}', '["a","b"]', '"', "[", "]", "{", "}", "\\u0000",
    "EOF", "<<EOF", "<<<x", "/dev/null", "> pwned", ">> pwned", "2> pwned", "< /etc/passwd", "&> pwned", ">|pwned",
    "| tee pwned",
)
_SHELL_WORDS = (
    "exec", "start", "stop", "status", "eval", "source", ".", "set -e", "if", "then", "while", "do", "time", "!",
    "[[", "case", "function", "alias x=y", "x=1", "PATH=/tmp", "LD_PRELOAD=/tmp/x", "BASH_ENV=/tmp/x", "()",
    "x() { touch pwned; }", "() { :;}; touch pwned", "#", "#x", "a#b", "a;b", "a=b", "a&b", "a|b", "a<b", "a>b",
    "a(b", "a)b", "a{b", "a'b", 'a"b', "a\\b", "a`b", "a$b", "a!b", "a~b", "a^b", "a*b", "a?b", "a[b", "a]b", "a,b",
    "a:b", "a@b", "a%b", "a+b", "a/b", "a-b", "a_b", "a.b", "^a^b", "%1", "%%", "~1", "-0", "+0", "$#", "$_",
)
# fmt: on


def _commands() -> Iterator[str]:
    """The payload behind every separator and inside every substitution, bare and hidden in plausible values."""
    for form in _SUBSTITUTIONS:
        command = form.format(PAYLOAD)
        yield from (command, f"org/{command}", f"/models/{command}", f'{{"a":"{command}"}}', f"--x={command}")
    for separator in _SEPARATORS:
        yield from (f"{separator}{PAYLOAD}", f"a{separator}{PAYLOAD}", f"org/m{separator}{PAYLOAD}{separator}")
    for quote in _QUOTES:
        yield from (
            quote,
            f"a{quote}b",
            f"{quote};{PAYLOAD};{quote}",
            f"a{quote} {PAYLOAD} {quote}b",
            f"{quote}$({PAYLOAD}){quote}",
        )
    for white in _WHITE:
        yield from (white, f"a{white}--privileged", f"--label=a{white}-v{white}/:/host")


def _lengths() -> Iterator[str]:
    for length in (255, 256, 257, 1024, 1025, 4095, 4096, 4097, 130_000):
        yield from ("x" * length, "'" * length)
    yield from ("ä" * 2048, "ä" * 2049, "a/" * 600, "/a" * 600, "-" * 5000, "$(" * 1000, "{" * 4000)


def _all() -> Iterator[str]:
    for group in (
        _GLOBS,
        _VARIABLES,
        _LEADING_DASHES,
        _PATHS,
        _NAMES,
        _UNICODE,
        _TERMINAL,
        _OTHER_LANGUAGES,
        _SHELL_WORDS,
    ):
        yield from group
    yield from (f"a{glob}" for glob in _GLOBS)
    yield from (f"{variable}/x" for variable in _VARIABLES)
    yield from _commands()
    yield from _lengths()


HOSTILE: tuple[str, ...] = tuple(dict.fromkeys(["", *_all()]))
