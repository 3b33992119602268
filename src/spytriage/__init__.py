"""spytriage: check a phone backup against published spyware indicators and write a redacted report.

The data goes one way, through one room after the other:

    source      what we were given: recognise it, read its device facts
    indicators  what we look for: published STIX sets and the matcher
    scan        MVT in a worker process without network; the coverage ledger
    findings    what was seen: MVT's alerts, graded and explained
    redaction   what may leave: default-deny, keyed pseudonyms
    report      what leaves: JSON, HTML, STIX, terminal

`pipeline` calls them in this order and is the only module that sees them all (`worker` is its counterpart
inside the worker process). A stage imports the shared vocabulary (`models`, `errors`, `finding_kinds`,
`artefacts`, `i18n`, `text`), never a neighbour.
"""

__version__ = "0.1.0"
