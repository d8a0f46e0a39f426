"""The page is served to this machine, to those who know its token, and names no other place."""

from __future__ import annotations

import urllib.request

import pytest

from learn.explore.serving import served
from learn.explore.state import ExploreState
from stochgeom.errors import UserError


def test_the_page_is_served_with_its_policy_and_only_with_its_token():
    with served(ExploreState()) as (address, _):
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with browser.open(address, timeout=60) as answer:
            policy, text = answer.headers["content-security-policy"], answer.read().decode()
        assert answer.status == 200
        assert "heterostem explore" in text
        assert policy.startswith("default-src 'self' ws://127.0.0.1:")
        assert "http" not in policy
        with urllib.request.urlopen(address.split("?")[0], timeout=60) as answer:
            stranger = answer.read().decode()
        assert "heterostem explore" not in stranger
        assert "Login" in stranger
        port = int(address.split(":")[2].split("/")[0])
        with pytest.raises(UserError, match=f"--port = {port}"), served(ExploreState(), port):
            pass
