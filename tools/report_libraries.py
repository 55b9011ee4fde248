"""Fetches the libraries that a report holds anew, and sees that they are what they were.

    python tools/report_libraries.py            # fetches what vendor/libraries.json names
    python tools/report_libraries.py --update   # and writes down what they are now

It takes them from npm's registry, by ``npm pack``. To go to another release, change the version in
the table, say ``--update``, and run the look session.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Dict, List

VENDOR = Path(__file__).resolve().parent.parent / "htp" / "reporting" / "assets" / "vendor"
TABLE = VENDOR / "libraries.json"

Row = Dict[str, str]


def packed(row: Row, folder: str) -> Path:
    """The package of a row, as it was published."""
    wanted = f"{row['package']}@{row['version']}"
    command = ["npm", "pack", "--silent", "--ignore-scripts", wanted]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return Path(folder) / done.stdout.strip().splitlines()[-1]


def member(package: Path, name: str) -> bytes:
    """One file of a package."""
    with tarfile.open(package) as archive:
        held = archive.extractfile(f"package/{name}")
        if held is None:
            raise FileNotFoundError(name)
        return held.read()


def main() -> int:
    """Fetch all, and compare or write down their hashes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help="write down what they are now")
    update = parser.parse_args().update
    rows: List[Row] = json.loads(TABLE.read_text("utf-8"))
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for row in rows:
            package = packed(row, folder)
            content = member(package, row["member"])
            found = hashlib.sha256(content).hexdigest()
            if found != row["sha256"] and not update:
                print(f"{row['name']} {row['version']} is not what it was: {found}")
                wrong += 1
                continue
            row["sha256"] = found
            (VENDOR / row["file"]).write_bytes(content)
            (VENDOR / row["notice"]).write_bytes(member(package, "LICENSE"))
            print(f"{row['name']} {row['version']}: {len(content)} bytes")
    if update:
        lines = ",\n".join(f"  {json.dumps(row)}" for row in rows)
        TABLE.write_text(f"[\n{lines}\n]\n", "utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
