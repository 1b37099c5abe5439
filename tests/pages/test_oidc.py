"""Signing in with a provider (OpenID Connect): Streamlit's `st.login` in Chromium, and a small provider of our own."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from bench.support.browser import free_port
from ssrl_core import stores
from ssrl_core.runs.queue import registry
from tests.browsing import served, settled, tab
from tests.kit import make_imageset, make_run, missing

pytestmark = [pytest.mark.browser, pytest.mark.slow]
CLIENT, SECRET = "viewloom", "a secret of the test"
ADA = {"email": "ada@lab.example", "email_verified": True}
PEOPLE = {
    "editor": ADA,
    "editor by group": {"email": "cy@other.example", "groups": ["imaging"]},
    "viewer": {"email": "ben@lab.example"},
    "nobody": {"email": "eve@other.example"},
    "unverified": {**ADA, "email_verified": False},
}
SETTINGS = """version: 1
sign_in: oidc
editors: [ada@lab.example, "group:imaging"]
viewers: ["@lab.example"]
"""


class Provider(ThreadingHTTPServer):
    """Discovery, authorization, tokens signed with RS256, keys, and the end of a session; whoever asks is `person`."""

    def __init__(self) -> None:
        try:
            from joserfc.jwk import RSAKey
        except ImportError:
            missing("Authlib", "pip install Authlib")
        super().__init__(("127.0.0.1", 0), _Answer)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.key = RSAKey.generate_key(2048, {"kid": "of the test", "use": "sig"})
        self.person: dict[str, Any] = ADA
        self.nonces: dict[str, str] = {}
        self.ended = 0  # sessions

    def token(self, code: str) -> dict[str, Any]:
        """What a code is exchanged for."""
        from joserfc import jwt

        now = int(time.time())
        times = {"iat": now, "exp": now + 600}
        claims = {
            "iss": self.address,
            "sub": "1",
            "aud": CLIENT,
            "nonce": self.nonces.pop(code),
            **times,
            **self.person,
        }
        signed = jwt.encode({"alg": "RS256", "kid": "of the test"}, claims, self.key)
        return {"access_token": "none", "token_type": "Bearer", "expires_in": 600, "id_token": signed}


class _Answer(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        here, asked = self.server, {key: one[0] for key, one in parse_qs(urlsplit(self.path).query).items()}
        match urlsplit(self.path).path:
            case "/.well-known/openid-configuration":
                names = ("authorization", "token", "end_session")
                ways = {f"{name}_endpoint": f"{here.address}/{name}" for name in names}
                told = {"issuer": here.address, "jwks_uri": f"{here.address}/keys", **ways}
                self._say({**told, "id_token_signing_alg_values_supported": ["RS256"]})
            case "/keys":
                self._say({"keys": [here.key.as_dict(private=False)]})
            case "/authorization":
                here.nonces["code"] = asked.get("nonce", "")
                self._go(f"{asked['redirect_uri']}?{urlencode({'code': 'code', 'state': asked['state']})}")
            case "/end_session":
                here.ended += 1
                self._go(asked["post_logout_redirect_uri"])
            case _:
                self.send_error(404)

    def do_POST(self) -> None:
        said = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        self._say(self.server.token(said["code"][0]))

    def _go(self, address: str) -> None:
        self.send_response(302)
        self.send_header("location", address)
        self.end_headers()

    def _say(self, data: dict[str, Any]) -> None:
        content = json.dumps(data).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def provider() -> Iterator[Provider]:
    found = Provider()
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()
    thread.join()


def test_a_provider_signs_in_editors_viewers_and_nobody_else(provider, tmp_path, monkeypatch):
    make_imageset(600, side=16)
    run = make_run(n=90).name
    registry.reconcile()
    (stores.models_root() / "hosting.yaml").write_text(SETTINGS)
    port, seen = free_port(), {}
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text(
        f'[auth]\nredirect_uri = "http://127.0.0.1:{port}/oauth2callback"\ncookie_secret = "{SECRET}"\n'
        f'client_id = "{CLIENT}"\nclient_secret = "{SECRET}"\n'
        f'server_metadata_url = "{provider.address}/.well-known/openid-configuration"\n'
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    with served(port=port) as address, tab(timeout_s=60) as page:
        for who, claims in PEOPLE.items():
            provider.person = claims
            page.goto(f"{address}/Train?run={run}")
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(f"{address}/")
            page.goto(f"{address}/Train?run={run}")
            page.locator(".vl-quiet").first.wait_for()
            if who != "unverified":
                page.get_by_role("button", name="Sign out").wait_for()
            settled(page)
            words = page.locator("body").inner_text()
            seen[who] = [word for word in ("are for editors", "not known here", "Sign in to see") if word in words]
            assert (run in words or "Delete" in words) == who.startswith("editor")
            if who != "unverified":
                page.get_by_role("button", name="Sign out").click()
                page.get_by_text("Sign in to see").wait_for()
    nothing: list[str] = []
    assert seen == {
        "editor": nothing,
        "editor by group": nothing,
        "viewer": ["are for editors"],
        "nobody": ["not known here"],
        "unverified": ["Sign in to see"],
    }
    assert provider.ended == 4
