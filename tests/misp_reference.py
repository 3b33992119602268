"""Run MISP's own STIX converter on a bundle and print what arrives; run as a program, never imported.

The libraries below the converter put old importers into `sys.meta_path`, which the tests' warnings would stumble over.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")

if __name__ == "__main__":
    import stix2
    from misp_stix_converter import ExternalSTIX2toMISPParser

    parser = ExternalSTIX2toMISPParser()
    parser.load_stix_bundle(stix2.parse(Path(sys.argv[1]).read_text(encoding="utf-8")))
    parser.parse_stix_bundle(single_event=True)
    event = parser.misp_event
    attributes = [*event.attributes, *(attribute for found in event.objects for attribute in found.attributes)]
    told = {
        "errors": [error for errors in parser.errors.values() for error in errors],
        "sightings": {attribute.value: len(attribute.sightings) for attribute in attributes},
        "tags": [tag.name for tag in event.tags],
        "event": event.to_dict(),
    }
    sys.stdout.write(json.dumps(told, default=str) + "\n")
