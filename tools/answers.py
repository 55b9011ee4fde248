"""Write htp/testing/answers.json: what every release and backend answers about the cases.

Run it on the newest torch, with HTP importable, when a case is new or its model changed. Read what
it changes: the answers of the other cases are what HTP promises.
"""

import json
import tempfile
import warnings
from pathlib import Path

import htp
from htp.testing.agreement import answer_of
from htp.testing.expectations import reason_to_fail
from htp.testing.models import CASES, cases_for
from htp.testing.running import Workshop

TARGET = Path(__file__).resolve().parent.parent / "htp" / "testing" / "answers.json"


def main() -> None:
    """Export every case through the first backend that can."""
    backends = [info.name for info in htp.available_backends() if info.usable]
    answers = {}
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(folder)
        for case in CASES:
            able = [
                backend
                for backend in backends
                if case in cases_for(backend)
                and not reason_to_fail((), backend, case.name, "test_releases_agree")
            ]
            if not able:
                print(f"{case.name}: this torch cannot export it")
                continue
            answers[case.name] = answer_of(workshop.exported(able[0], case), case)
    TARGET.write_text(json.dumps(answers, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
