"""Do two backends give the same answer on one torch?"""

from htp.testing.case import Case
from htp.testing.oracle import marked_owners
from htp.testing.running import Workshop

__all__ = ["Agreement"]


class Agreement:
    """Two mechanisms, one answer."""

    def test_backends_agree(
        self, workshop: Workshop, backend_name: str, other: str, case: Case
    ) -> None:
        """The marks have the same owners, and the same calls own any node at all."""
        one = workshop.exported(backend_name, case)
        two = workshop.exported(other, case)
        assert marked_owners(one.tagged, one.truth) == marked_owners(two.tagged, two.truth)
        owners = [
            {(tag.path, tag.type, tag.call) for _, tag in exported.tagged.nodes()}
            for exported in (one, two)
        ]
        assert owners[0] == owners[1]
