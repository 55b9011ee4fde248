"""The graph as HTP sees it: records of nodes and edges, and what follows from them."""
