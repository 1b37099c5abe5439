"""What a composition will keep, before any training: views, a feature bank and the closed form.

`forecast` answers for one composition, `prepare` for several on the same images, `search` finds compositions from
wishes; importing the room loads no torch.
"""

from ssrl_core.forecast.kept import forecast, prepare
from ssrl_core.forecast.result import Forecast, Kept
from ssrl_core.forecast.searching import Found, Search, search

__all__ = ["Forecast", "Found", "Kept", "Search", "forecast", "prepare", "search"]
