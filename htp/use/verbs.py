"""The methods of a tagged model that tell of its modules: each calls the file of its own name."""

from typing import TYPE_CHECKING, Iterable, Optional, Protocol, Tuple, TypeVar, Union

from htp.file.garbage import no_search
from htp.file.model_file import ModelFile
from htp.scope import Coverage
from htp.showing.frames import frame
from htp.tree import ModuleTree
from htp.use.boundary import Boundary, boundary
from htp.use.cost import Cost, cost
from htp.use.extracting.extract import extract, split
from htp.use.extracting.report import Extraction
from htp.use.functions import Functions, as_functions
from htp.use.growing import tree
from htp.use.select import Selection, select
from htp.use.shown import html, nodes
from htp.use.types import Shapes
from htp.warned import warn

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Verbs"]


class Tagged(Protocol):
    """What a verb asks for: the file with its tags."""

    @property
    def file(self) -> ModelFile: ...


class Described(Tagged, Protocol):
    """The same, and what there is to say of it."""

    @property
    def coverage(self) -> Coverage: ...

    @property
    def _made(self) -> str: ...


Made_co = TypeVar("Made_co", bound="Verbs", covariant=True)


class Whole(Tagged, Protocol[Made_co]):
    """The same, and what becomes of a part of it."""

    def _part(self, file: ModelFile, extraction: Optional[Extraction] = None) -> Made_co: ...


class Verbs:
    """What ``TaggedModel`` does with its file beside reading and writing it."""

    def tree(self: Tagged) -> ModuleTree:
        """The module calls with the coverage of their nodes, modules without nodes included.

        A file that several models were merged into has a root for each; see ``ModuleTree.joined``.
        Where a tool dropped all tags, the tree is that of the inferred ones.
        """
        return tree(self.file)

    def to_pandas(self: Tagged) -> "DataFrame":
        """A row for each node, as ``nodes`` gives them: what it is, whose it is, how that is known.

        Raises:
            HTPError: pandas is not installed.
        """
        with no_search():
            return frame(nodes(list(self.file.seen())))

    def _repr_html_(self: Described) -> str:
        return html(self.file, f"{self._made}; {self.coverage}")

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
        return select(self.file, patterns, op_type, type, without)

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
        return boundary(self.file, path, call)

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
        return cost(self.file, shapes)

    def extract(
        self: Whole[Made_co],
        *paths: str,
        call: int = 0,
        first: Optional[str] = None,
        last: Optional[str] = None,
        without: Union[str, Iterable[str]] = (),
    ) -> Made_co:
        """Cut a part out: one module call, several modules, a range of them, or all but some.

        The part of one call takes its arguments and gives its results, in the module's own order,
        as far as the capture knew them and the file still has them. ``extraction`` of the part
        says what is not the module's own, and why. It is tagged, with the paths of the whole.

        Args:
            *paths: of the modules; ``"block@1"`` is the second call of ``block``.
            call: which of their calls.
            first: of a range: whatever was called from this module to ``last``, both included.
            last: likewise.
            without: patterns of modules that are left out, with all that needs what they give.

        Raises:
            UnknownModuleError: no module is called so, or it has no such call.
            ExtractionError: what would be left is not the module: it was folded away, or does its
                work together with others. The hint names what can be cut out.
            InvalidModelError: the file is damaged.
            TypeError: nothing is asked for, or too much.
        """
        return self._part(*extract(self.file, paths, call, first, last, without))

    def split(self: Whole[Made_co], at: str, call: int = 0) -> Tuple[Made_co, Made_co]:
        """Cut the model in two before a module: what does not need what it gives, and the rest.

        What the first half gives and the second takes has the same name in both.

        Args:
            at: path of the module that the second half begins with.
            call: which of its calls.

        Raises:
            UnknownModuleError: no module is called so, or it has no such call.
            ExtractionError: one half would be empty.
            InvalidModelError: the file is damaged.
        """
        before, behind = split(self.file, at, call)
        return self._part(*before), self._part(*behind)

    functions: Optional[Functions] = None
    """Of what ``as_functions`` gave: which functions were made of which module calls."""

    def as_functions(self: Whole[Made_co], *patterns: str) -> Made_co:
        """Make module calls calls of local functions: equal ones share a body.

        Weights are inputs of the functions. Of the modules that a pattern names the uppermost
        become functions; several patterns make functions that call functions. The nodes of a body
        have the tags of its first call and name those of the others as ``shared``, ``merged``.
        ``functions`` of the result says what was made, and which calls stay as they are, and why;
        a warning says so, too.
        The IR version becomes 8 at least.

        Args:
            *patterns: of modules, as in ``find``.

        Raises:
            UnknownModuleError: a pattern names no module call.
            HTPError: none of the calls can be a function.
            InvalidModelError: the file is damaged.
            TypeError: nothing is asked for, or a pattern is no text.
        """
        made, report = as_functions(self.file, patterns)
        if report.refused:
            warn(report.partly)
        found = self._part(made)
        found.functions = report
        return found
