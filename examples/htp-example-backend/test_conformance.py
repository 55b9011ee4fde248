"""The suite that HTP ships, for this backend. Nothing more is needed."""

from htp.testing import BackendConformance


class TestExample(BackendConformance):
    backend = "example"
    expected_failures = (
        {
            "backend": "example",
            "torch": "",
            "case": "cond",
            "test": "*",
            "reason": "torch.jit.trace follows one branch and drops the other",
        },
    )
