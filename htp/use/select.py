"""Choosing nodes by module, for tools that want lists of nodes, values or parameters."""

from typing import TYPE_CHECKING, Iterator, NamedTuple, Sequence, Tuple

from htp.errors import HTPError, did_you_mean
from htp.file.garbage import no_search
from htp.pattern import operators
from htp.scope import Tag
from htp.use.chosen import Chosen
from htp.use.forms import FORMS
from htp.use.modules import Modules, Names, Wanted
from htp.use.places import placed

if TYPE_CHECKING:
    import onnx

    from htp.file.model_file import ModelFile

__all__ = ["Listing", "Selection", "select"]


def select(
    file: "ModelFile",
    patterns: Sequence[str],
    op_type: Names = None,
    type: Names = None,  # noqa: A002 - as ModuleCall calls it
    without: Names = None,
) -> "Selection":
    """The nodes of the modules that are asked for; see ``TaggedModel.select``."""
    operator = None if op_type is None else operators(op_type)
    with no_search():
        rows = placed(file)
        wanted = Wanted(Modules((row.tag for row in rows), file.origins), patterns, type, without)
        chosen = [
            number
            for number, row in enumerate(rows)
            if (operator is None or row.node.op_type in operator) and wanted.takes(row.tag)
        ]
    return Selection(file, rows, chosen, wanted, sorted(operator or ()))


class Listing(NamedTuple):
    """A list for a tool.

    Attributes:
        text: the list, and nothing else.
        remarks: what the tool would do or leave out without a word.
    """

    text: str
    remarks: Tuple[str, ...]


class Selection(Chosen):
    """Nodes that were chosen by module.

    It tells of the file as it was when they were chosen, and is printed and handed to tools by
    ``text``.
    """

    def __iter__(self) -> Iterator[Tuple["onnx.NodeProto", Tag]]:
        return iter(self.nodes)

    @property
    def nodes(self) -> Tuple[Tuple["onnx.NodeProto", Tag], ...]:
        """The chosen nodes with their tags; they are those of ``TaggedModel.model``, to work on.

        Raises:
            HTPError: the model was changed since they were chosen.
        """
        chosen = set(self._chosen)
        found = [row for number, row in enumerate(self._file.nodes()) if number in chosen]
        seen = [(row.node.name, row.node.output[:1]) for row in self.rows]
        if [(node.name, node.output[:1]) for node, _ in found] != seen:
            raise HTPError(
                "The model was changed since these nodes were selected.", "select them again."
            )
        return tuple(found)

    def listed(self, format: str = "names") -> "Listing":  # noqa: A002 - the command's word
        """The list in a tool's own form, with what that tool would ignore.

        Args:
            format: ``names``, ``values`` or ``parameters``, one a line; ``ort-exclude``,
                ``ort-overrides``, ``nncf``, ``modelopt``, ``trtexec``, ``olive`` or ``optimum``; or
                ``json`` for all that is known. See docs/use.md.

        Raises:
            HTPError: there is no such form.
        """
        if format not in FORMS:
            raise HTPError(
                f"There is no form {format!r} of a selection; there are {', '.join(FORMS)}.",
                did_you_mean(str(format), FORMS),
            )
        text, more = FORMS[format](self)
        return Listing(text, (*self.remarks, *more))

    def text(self, format: str = "names") -> str:  # noqa: A002 - the command's word
        """The list in a tool's own form; see ``listed``, which also gives the remarks on it."""
        return self.listed(format).text
