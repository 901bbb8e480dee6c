"""Pause and suspend, and back."""

from minova.api.actions.row import Action, begins
from minova.api.schemas import actions as schemas

ACTIONS = {
    "pause": Action(begins("pause"), "os-pause-server:pause", schemas.PAUSE),
    "unpause": Action(begins("unpause"), "os-pause-server:unpause", schemas.UNPAUSE),
    "suspend": Action(begins("suspend"), "os-suspend-server:suspend", schemas.SUSPEND),
    "resume": Action(begins("resume"), "os-suspend-server:resume", schemas.RESUME),
}
