"""Time, memory and speed of each layer in the steps of a training."""

from firstlight.tools.profile.profile import LayerCost, Profile
from firstlight.tools.profile.session import Session
from firstlight.tools.profile.speed import product_speed
from firstlight.tools.profile.trace import chrome_trace

__all__ = ["LayerCost", "Profile", "Session", "chrome_trace", "product_speed"]
