"""What torch's exporter with ``dynamo=True`` writes into nodes, and Model Explorer reads.

Paths of modules with their classes, the root first and the operation last. Calls are not numbered:
https://docs.pytorch.org/docs/stable/onnx_export.html
"""

from typing import Dict, List, Mapping, Optional, Tuple

from htp.annotating.modules import Modules
from htp.annotating.subject import DEEPEST, Subject, Told, Types
from htp.file.dialects import CLASS_HIERARCHY, NAME_SCOPES, literal_list

__all__ = ["by_torch"]

_NAMESPACE = "namespace"

Levels = Tuple[Tuple[str, str], ...]
"""Path and class of each module, the root first."""


def by_torch(subject: Subject, types: Types) -> Dict[int, Told]:
    """What torch's metadata tells.

    Args:
        subject: what is annotated.
        types: the classes that it tells are added.
    """
    known: Dict[Tuple[str, ...], Levels] = {}
    found: Dict[int, Told] = {}
    for at, props in enumerate(subject.props):
        said = (props.get(NAME_SCOPES, ""), props.get(CLASS_HIERARCHY, ""), _namespace(props))
        if not any(said):
            continue
        if said not in known:
            known[said] = _levels(*said)
        levels = known[said]
        paths = tuple(path for path, _ in levels)
        if levels and _is_chain(paths, subject):
            types.update(levels if subject.modules is None else ())
            found[at] = Told(_by_holders(paths, subject.modules))
    return found


def _by_holders(paths: Tuple[str, ...], modules: Optional[Modules]) -> Tuple[str, ...]:
    """The chain by the paths that the modules which call each other have for each other.

    torch names a module that has several paths by the one that was used, or by the first.
    """
    chain: List[str] = []
    for path in paths:
        if modules is None or not chain:
            chain.append(path)
        else:
            chain.append(modules.alias(modules.all[path].first, chain[-1]))
    return tuple(chain)


def _namespace(props: Mapping[str, str]) -> str:
    """Only where the other two are missing: its texts may hold what separates them."""
    return "" if NAME_SCOPES in props else props.get(_NAMESPACE, "")


def _levels(scopes: str, classes: str, namespace: str) -> Levels:
    if namespace:
        return _from_namespace(namespace)
    paths, kinds = literal_list(scopes)[:-1], literal_list(classes)[:-1]
    return tuple(zip(paths, kinds)) if len(paths) == len(kinds) <= DEEPEST else ()


def _from_namespace(text: str) -> Levels:
    """``: Net/encoder: Encoder/encoder.lin: Linear/linear: aten.linear.default``."""
    parts: List[Tuple[str, str]] = []
    for part in text.split("/")[:-1][: DEEPEST + 1]:
        path, colon, kind = part.rpartition(": ")
        if not colon:
            return ()
        parts.append((path, kind))
    return tuple(parts) if len(parts) <= DEEPEST else ()


def _is_chain(paths: Tuple[str, ...], subject: Subject) -> bool:
    """Whether these are modules from the root on, and the model's own where there is one."""
    if paths[0]:
        return False
    return subject.modules is None or all(path in subject.modules for path in paths)
