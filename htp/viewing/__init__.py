"""How long each node takes, or how far off it is, in the form that a viewer of graphs loads."""

from htp.viewing.nodes import NodeData, node_data

__all__ = ["NodeData", "node_data"]
