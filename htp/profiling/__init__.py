"""How long each module takes: profiles of runtimes, rolled up the module tree."""

from htp.profiling.placement import Placement, PlacementRow
from htp.profiling.profiled import profile
from htp.profiling.result import Profile
from htp.profiling.rows import ProfileRow, Times

__all__ = ["Placement", "PlacementRow", "Profile", "ProfileRow", "Times", "profile"]
