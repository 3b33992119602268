"""spytriage: check a phone backup against published spyware indicators and write a redacted report.

The data goes one way, through one room after the other:

    source      what we were given: recognise it, read its device facts
    indicators  what we look for: published STIX sets and the matcher
    scan        MVT in a worker process without network; the coverage ledger
    findings    what was seen: MVT's alerts, graded and explained
    redaction   what may leave: default-deny, keyed pseudonyms
    report      what leaves: JSON, HTML, STIX, terminal, the signed hand-off
    review      what a reviewer does with it: verify, give an opinion

`pipeline` calls them in this order (`worker` is its counterpart inside the worker process, `verification` for a
reviewer); no other module sees them all. A stage imports the shared vocabulary (`models`, `errors`, `finding_kinds`,
`artefacts`, `i18n`, `text` and the like), never a neighbour.
"""

__version__ = "0.1.0"
