"""Whether a project that somebody names is there at all."""

import re

from minova.clients.session import RestClient
from minova.common import errors
from minova.common.context import RequestContext

_ID = re.compile(r"[a-zA-Z0-9\-_]{1,64}")


def check_known(ctxt: RequestContext, project_id: str) -> None:
    """errors.Invalid for a project that identity does not know, asked with the caller's token.

    Who may not ask is believed.
    """
    check_word(project_id)
    if project_id == ctxt.project_id:
        return
    try:
        RestClient("identity", "identity", caller=ctxt).get(f"/projects/{project_id}")
    except errors.NotFound:
        raise _unknown(project_id) from None
    except errors.Forbidden:
        return


def check_word(project_id: str) -> None:
    """errors.Invalid for what can be no project's id."""
    if not _ID.fullmatch(project_id):
        raise _unknown(project_id)


def _unknown(project_id: str) -> errors.Invalid:
    return errors.Invalid(f"Project ID {project_id[:64]} is not a valid project.")
