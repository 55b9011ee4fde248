"""``recorder.py SCRIPT ...`` runs a script inside ``htp.tagging`` and keeps what was told of it."""

import json
import os
import runpy
import sys

import htp

if __name__ == "__main__":
    del sys.argv[0]
    sys.path[0] = os.path.dirname(sys.argv[0])
    with htp.tagging() as exported:
        runpy.run_path(sys.argv[0], run_name="__main__")
    told = [
        {
            "path": one.path and os.path.basename(one.path),
            **{name: getattr(one, name) for name in ("backend", "exporter", "nodes", "tagged")},
            "reason": one.reason,
            "coverage": one.coverage and {str(kind): count for kind, count in one.coverage},
        }
        for one in exported
    ]
    with open("records.json", "w", encoding="utf-8") as file:
        json.dump(told, file)
