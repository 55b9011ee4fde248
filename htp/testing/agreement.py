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
        """The marks have the same owners, and the same calls own any node at all.

        But for the calls that one exporter may fold into a constant and the other may not.
        """
        one = workshop.exported(backend_name, case)
        two = workshop.exported(other, case)
        gone = case.vanishes
        marks = [
            [owner for owner in marked_owners(exported.tagged, exported.truth) if owner not in gone]
            for exported in (one, two)
        ]
        assert marks[0] == marks[1], f"{backend_name}: {marks[0]}; {other}: {marks[1]}"
        owners = [
            {tag.owner for _, tag in exported.tagged.nodes() if str(tag.owner) not in gone}
            for exported in (one, two)
        ]
        assert owners[0] == owners[1], (
            f"only {backend_name}: {sorted(owners[0] - owners[1])}; "
            f"only {other}: {sorted(owners[1] - owners[0])}"
        )
