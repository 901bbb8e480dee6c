"""A console's token in an address is for nobody's log."""

import pytest

from minova.api.console_auth_tokens import shown_path


@pytest.mark.parametrize("start", ["/v2.1", "/v2", "/v2.1/6f70656e737461636b20342065766572"])
def test_spans_and_logs_show_no_token(start: str) -> None:
    shown = f"{start}/os-console-auth-tokens/…"
    assert shown_path(f"{start}/os-console-auth-tokens/s3cr3t") == shown
    assert shown_path(f"{start}/os-console-auth-tokens/s3c\nr3t/more") == shown


def test_other_paths_are_shown_as_they_are() -> None:
    assert shown_path("/v2.1/servers/1/remote-consoles") == "/v2.1/servers/1/remote-consoles"
