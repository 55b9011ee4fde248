"""Wrong tags, planted to see a check fail: each changes the nodes that it is handed."""

import json


def stack_of(node):
    return next(prop for prop in node.metadata_props if prop.key == "pkg.htp.stack")


def swap_owners(nodes):
    """The first two multiplications say each other's owner."""
    one, two = [stack_of(node) for node in nodes if node.op_type == "Mul"][:2]
    one.value, two.value = two.value, one.value


def drop_call_numbers(nodes):
    for node in nodes:
        stack = json.loads(stack_of(node).value)
        stack_of(node).value = json.dumps([[path, kind, 0] for path, kind, _ in stack])


def all_to_the_root(nodes):
    for node in nodes:
        stack_of(node).value = json.dumps(json.loads(stack_of(node).value)[:1])
