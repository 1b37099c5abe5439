"""What a composition will keep, before any training: views, a feature bank and the closed form.

`forecast` answers for one composition, `prepare` for several on the same images. Importing the room loads no torch.
"""

from ssrl_core.forecast.kept import forecast, prepare
from ssrl_core.forecast.result import Forecast, Kept

__all__ = ["Forecast", "Kept", "forecast", "prepare"]
