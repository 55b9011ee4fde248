"""The methods of a tagged model that tell of its modules: each calls the file of its own name."""

from typing import Iterable, Optional, Protocol, Union

from htp.file.model_file import ModelFile
from htp.use.boundary import Boundary, boundary
from htp.use.cost import Cost, cost
from htp.use.select import Selection, select
from htp.use.types import Shapes

__all__ = ["Verbs"]


class Tagged(Protocol):
    """What a verb asks for: the file with its tags."""

    @property
    def _told(self) -> ModelFile: ...


class Verbs:
    """What ``TaggedModel`` does with its file beside reading and writing it."""

    def select(
        self: Tagged,
        *patterns: str,
        op_type: Union[str, Iterable[str], None] = None,
        type: Union[str, Iterable[str], None] = None,  # noqa: A002 - as ModuleCall calls it
        without: Union[str, Iterable[str]] = (),
    ) -> Selection:
        """Choose nodes by module, for tools that want lists of nodes, values or parameters.

        A node is chosen when it meets all that is asked; without anything asked all are, those
        whose owner is not known included. One that stands for several calls is found through each,
        by ``without`` as well.

        Args:
            *patterns: of modules, as in ``find``; one of them must name it.
            op_type: its operator, or several of which it must have one.
            type: the class of its module or of one above, by its own or its qualified name
                (``"LayerNorm"``); or several.
            without: patterns of modules that are left out with all below them.

        Raises:
            UnknownModuleError: a pattern or a class names no module that a node comes from.
            TypeError: an argument is no text.
        """
        return select(self._told, patterns, op_type, type, without)

    def boundary(self: Tagged, path: str, call: int = 0) -> Boundary:
        """The values that a module call takes and returns, by their names in the file.

        In the module's own order where the capture knew it and the values are still there, else in
        the graph's; ``exact`` says which, and each value for itself.

        Args:
            path: of the module; ``"block@1"`` is its second call.
            call: which of its calls.

        Raises:
            UnknownModuleError: no module is called so, or it has no such call.
            HTPError: several models were merged into this file, and more than one has it.
        """
        return boundary(self._told, path, call)

    def cost(self: Tagged, shapes: Optional[Shapes] = None) -> Cost:
        """What each module call costs: weights, multiply-accumulates, values, nodes.

        Shapes follow from the file; where an axis is dynamic, say how long it is. What is not known
        is told, and is in no sum. Weights are not read.

        Args:
            shapes: the lengths of dynamic axes by their names, ``{"batch": 1}``, or whole shapes of
                inputs by theirs, ``{"tokens": (1, 128)}``.

        Raises:
            HTPError: there is no such axis or input, or a length is no whole number.
            InvalidModelError: the file is damaged.
        """
        return cost(self._told, shapes)
