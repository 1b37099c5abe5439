"""Who is there: signing in before anything is answered, and what a page may know of the person.

Every request of a browser goes through `Guard`: a foreign host name is refused, and where others than this machine
reach the app, so is whoever has not signed in (with OIDC Streamlit signs people in, and the pages refuse). A password
is asked for on a page of its own; the answer is a cookie that only this process can make, good for half a day.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import secrets
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, quote

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from ssrl_core import access
from ssrl_core.access import EDITOR, VIEWER, Hosting, Person

COOKIE, HEADER = "viewloom_person", "x-viewloom-person"
ONLY, LINK = "VIEWLOOM_ONLY", "VIEWLOOM_LINK"  # the one run that is shown, and what its link ends in
NOT_KNOWN = "you are signed in, but not known here. Ask whoever runs this app to let you in."
_KEPT = "sign-in-told"
_GOOD_S = 12 * 3600.0
_TRIES, _TRIES_S = 5, 60.0
_MOST_TRIES = 60  # of everybody together
_FORM_BYTES = 4096
_INSIDE = ("/_stcore", "/media", "/static", "/component")
_OPEN = ("/healthz", "/metrics", "/_stcore/health")  # the second looks at who asks by itself
_SAFE = {
    "content-security-policy": "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; "
    "connect-src 'self' data: blob:; frame-ancestors 'self'; form-action 'self'; base-uri 'self'; object-src 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass
class Gate:
    """How people come in, in this process.

    Attributes:
        sign_in: None: nobody signs in, so only this machine is answered.
        open: whether others than this machine reach the app.
        passwords: role -> sha256 of its password.
        only: the one run that is shown, to viewers; None is the whole app.
        link: what the link to it must end in, where others than this machine reach it.
    """

    sign_in: str | None = None
    open: bool = False
    hosting: Hosting = field(default_factory=Hosting)
    passwords: Mapping[str, bytes] = field(default_factory=dict)
    only: str | None = None
    link: str = ""
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _tried: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    @classmethod
    def of_environment(cls, environment: MutableMapping[str, str]) -> Gate:
        """As the environment and `models/hosting.yaml` say; the passwords are taken out of the environment."""
        hosting = access.hosting()
        said = zip((EDITOR, VIEWER), [environment.pop(name, "") for name in access.SECRETS], strict=True)
        passwords = {role: _digest(word) for role, word in said if word}
        only, link = environment.get(ONLY) or None, environment.pop(LINK, "")
        return cls(None if only else hosting.sign_in, _is_open(hosting), hosting, passwords, only, link)

    @property
    def hosted(self) -> bool:
        """Whether others than this machine reach the app, or may."""
        return self.open or self.sign_in is not None or self.only is not None

    def seal(self, person: Person, now: float | None = None) -> str:
        """A text that only this process can make, for a cookie or a header."""
        until = int((_now() if now is None else now) + _GOOD_S)
        name = base64.urlsafe_b64encode(person.name.encode()).decode()
        said = f"{person.role}.{until}.{name}"
        return f"{said}.{self._signed(said)}"

    def unseal(self, text: str | None, now: float | None = None) -> Person | None:
        """The person of `seal`; None for anything else, and after its time."""
        said, _, signature = (text or "").rpartition(".")
        if not said or not hmac.compare_digest(signature.encode(), self._signed(said).encode()):
            return None
        role, until, name = said.split(".")
        if float(until) < (_now() if now is None else now):
            return None
        return self._person(base64.urlsafe_b64decode(name).decode(), role)

    def role_by_password(self, word: str, address: str, now: float | None = None) -> str | None:
        """The role whose password this is, None for a wrong one.

        Raises:
            TooManyTries: of this address, or of all together, within a minute.
        """
        moment = time.monotonic() if now is None else now
        for who, most in ((address, _TRIES), ("", _MOST_TRIES)):
            tried = self._tried[who]
            while tried and moment - tried[0] > _TRIES_S:
                tried.popleft()
            if len(tried) >= most:
                raise TooManyTries
        if len(self._tried) > 10 * _MOST_TRIES:  # addresses that came once
            self._tried = defaultdict(deque, {who: tried for who, tried in self._tried.items() if tried})
        given = _digest(word)
        fitting = [role for role, known in self.passwords.items() if hmac.compare_digest(given, known)]
        if not fitting:
            self._tried[address].append(moment)
            self._tried[""].append(moment)
        return fitting[0] if fitting else None

    def admitted(self, headers: Mapping[str, str], address: str | None, query: str) -> Person | None:
        """Who asks this request; None where they have to sign in first."""
        known = self.unseal(_cookies(headers).get(COOKIE))
        if self.only:
            key = (parse_qs(query).get("key") or [""])[0]
            fits = bool(self.link) and hmac.compare_digest(key.encode(), self.link.encode())
            return known or (self._person("", VIEWER) if fits or not (self.link or self.open) else None)
        if self.sign_in is None:
            return None if self.open else Person(by_page=True)
        if self.sign_in == "header":
            name = headers.get(self.hosting.header, "").strip()
            groups = [one.strip() for one in headers.get(self.hosting.groups_header, "").split(",")]
            trusted = name and self.hosting.trusts(address)
            return self._person(name, self.hosting.role_of(name, groups)) if trusted else None
        return known

    def person_of_page(self) -> Person:
        """Who looks at the page that is being drawn; nobody where they have not signed in."""
        if not self.hosted:
            return Person(by_page=True)
        if self.sign_in == "oidc":
            if not st.user.is_logged_in or st.user.get("email_verified") is False:
                return access.NOBODY
            name = str(st.user.get("email") or "")
            groups: Any = st.user.get("groups") or []
            known = [str(one) for one in groups] if isinstance(groups, list) else [str(groups)]
            return self._person(name, self.hosting.role_of(name, known)) if name else access.NOBODY
        return self.unseal(_told_of_the_session()) or access.NOBODY

    def _person(self, name: str, role: str) -> Person:
        return Person(name, VIEWER if self.only else role, hosted=True, by_page=True, only=self.only)

    def _signed(self, said: str) -> str:
        return hmac.new(self._key, said.encode(), hashlib.sha256).hexdigest()


def _told_of_the_session() -> str | None:
    """What `Guard` told of this visit. Between two connections of a browser its headers are not there for a moment."""
    for _ in range(30):
        if st.context.headers:
            st.session_state[_KEPT] = st.context.headers.get(HEADER)
        if _KEPT in st.session_state:
            break
        time.sleep(0.1)
    return st.session_state.get(_KEPT)


class TooManyTries(Exception):
    """Wrong passwords one after another."""


_BEGAN = time.time() - time.monotonic()


def _now() -> float:
    """Seconds that go on evenly, from when this process began: a clock that is set lets nobody in, or out."""
    return _BEGAN + time.monotonic()


_gate: Gate | None = None


def gate(environment: MutableMapping[str, str]) -> Gate:
    """How people come in, in this process: settled once, as its key and the passwords are."""
    global _gate
    if _gate is None:
        _gate = Gate.of_environment(environment)
    return _gate


def current() -> Person | None:
    """Who looks at the page that is being drawn; None where no page is, and nobody else reaches the app."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return access.NOBODY if is_hosted() else None
    if _gate is not None:
        return _gate.person_of_page()
    foreign = not access.is_known_host(st.context.headers.get("Host"))  # Streamlit by itself, without `Guard`
    return access.NOBODY if foreign or is_hosted() else Person(by_page=True)


def is_hosted() -> bool:
    """Whether others than this machine reach the app, or may."""
    return _gate.hosted if _gate else _is_open(access.hosting())


def _is_open(hosting: Hosting) -> bool:
    return access.is_open(hosting, st.get_option("server.address") or "0.0.0.0")


def sign_in() -> str | None:
    """How people sign in; None where they do not."""
    return _gate.sign_in if _gate else None


access.install(current)


class Guard:
    """Lets a request through to the app, or refuses it.

    Args:
        app: the application behind.
        gate: how people come in.
    """

    def __init__(self, app: Any, gate: Gate) -> None:
        self._app, self._gate = app, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        asked = _Request(scope, receive, send)
        if not access.is_known_host(asked.headers.get("host")):
            await asked.refuse(400, "This address is not one of this app's. Name it in hosts of models/hosting.yaml.")
        elif asked.path in _OPEN or self._gate.sign_in == "oidc":
            await self._pass(asked, None)
        elif asked.path == "/sign-out":
            await asked.go_to("/", cookie=f"{COOKIE}=; Max-Age=0; {_cookie_words(asked)}")
        elif person := self._gate.admitted(asked.headers, asked.address, asked.query):
            if person.role == access.UNKNOWN:
                await asked.refuse(403, f"{person.name}: {NOT_KNOWN}")
            else:
                await self._pass(asked, person)
        elif self._gate.sign_in == "password" and asked.is_page:
            await self._ask(asked)
        else:
            await asked.refuse(403, "You are not signed in.")

    async def _pass(self, asked: _Request, person: Person | None) -> None:
        """On to the app, which is told who asks, and by nobody else."""
        sealed = [(HEADER.encode(), self._gate.seal(person).encode())] if person and person.hosted else []
        headers = [pair for pair in asked.scope["headers"] if pair[0].lower() != HEADER.encode()]
        own = dict(_SAFE)
        if person is not None and self._gate.only and self._gate.link and "key=" in asked.query:
            own["set-cookie"] = f"{COOKIE}={self._gate.seal(person)}; {_cookie_words(asked)}"

        async def sent(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_encoded(own)]
            await asked.send(message)

        await self._app({**asked.scope, "headers": headers + sealed}, asked.receive, sent)

    async def _ask(self, asked: _Request) -> None:
        """The page that asks for the password, and its answer."""
        if asked.method != "POST":
            await asked.answer(200, _form(asked.target))
            return
        said = parse_qs((await asked.body()).decode("utf-8", "replace"))
        try:
            role = self._gate.role_by_password((said.get("password") or [""])[0].strip(), asked.address or "")
        except TooManyTries:
            await asked.answer(429, _form(asked.target, "Too many tries. Wait a minute."))
            return
        if role is None:
            await asked.answer(403, _form(asked.target, "That is not the password."))
            return
        sealed = self._gate.seal(Person(role=role))
        await asked.go_to(asked.target, cookie=f"{COOKIE}={sealed}; Max-Age={_GOOD_S:.0f}; {_cookie_words(asked)}")


class _Request:
    """One request of a browser, and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self.receive, self.send = scope, receive, send
        self.headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        self.path: str = scope["path"]
        self.query: str = scope.get("query_string", b"").decode("latin-1")
        self.method: str = scope.get("method", "GET")
        self.address: str | None = (scope.get("client") or (None,))[0]

    @property
    def is_page(self) -> bool:
        """Whether a person asks, who can be shown a form."""
        return self.scope["type"] == "http" and not self.path.startswith(_INSIDE)

    @property
    def target(self) -> str:
        """Where the person wanted to go, on this server."""
        return quote("/" + self.path.lstrip("/\\")) + (f"?{self.query}" if self.query else "")

    async def body(self) -> bytes:
        """What was sent, at most some kilobytes of it."""
        found = b""
        while len(found) <= _FORM_BYTES:
            message = await self.receive()
            found += message.get("body", b"")
            if not message.get("more_body"):
                break
        return found[:_FORM_BYTES]

    async def refuse(self, status: int, words: str) -> None:
        """No, in one sentence."""
        if self.scope["type"] == "websocket":
            await self.receive()
            await self.send({"type": "websocket.close", "code": 1008})
            return
        await self.answer(status, html.escape(words))

    async def answer(self, status: int, body: str, more: Mapping[str, str] | None = None) -> None:
        """A page of our own."""
        content = body.encode()
        words = {"content-type": "text/html; charset=utf-8", "content-length": str(len(content)), **_SAFE}
        words |= {"cache-control": "no-store", **(more or {})}
        await self.send({"type": "http.response.start", "status": status, "headers": _encoded(words)})
        await self.send({"type": "http.response.body", "body": content})

    async def go_to(self, target: str, cookie: str) -> None:
        """To another page, with a cookie."""
        await self.answer(303, "", {"location": target, "set-cookie": cookie})


def _cookie_words(asked: _Request) -> str:
    """Not readable by scripts, not sent from other sites, and by HTTPS alone where the person came by it."""
    by_https = asked.scope.get("scheme") in ("https", "wss") or asked.headers.get("x-forwarded-proto") == "https"
    return "Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if by_https else "")


def _cookies(headers: Mapping[str, str]) -> dict[str, str]:
    try:
        return {name: one.value for name, one in SimpleCookie(headers.get("cookie", "")).items()}
    except CookieError:
        return {}


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def _digest(word: str) -> bytes:
    return hashlib.sha256(word.encode()).digest()


def _form(target: str, problem: str = "") -> str:
    """The page that asks for the password: no script, and nothing from elsewhere."""
    said = f'<p role="alert">{html.escape(problem)}</p>' if problem else ""
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign in · Viewloom</title>
<meta name="viewport" content="width=device-width">
<style>:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }} body {{ display: grid; place-items:
center; min-height: 90vh; margin: 0; background: light-dark(#fff, #0f1216); color: light-dark(#14181f, #e8ebef) }}
form {{ display: grid; gap: .7rem; width: min(20rem, 88vw) }} h1 {{ font-size: 1.4rem; margin: 0 }} label {{ display:
grid; gap: .2rem; color: light-dark(#5b6470, #9aa4b1) }} input, button {{ font: inherit; padding: .5rem; border-radius:
6px; border: 1px solid light-dark(#9aa4b1, #5b6470) }} button {{ background: light-dark(#0f766e, #2dd4bf); border: 0;
color: light-dark(#fff, #06201c); cursor: pointer }} p {{ color: light-dark(#b45309, #f59e0b); margin: 0 }}</style>
<form method="post" action="{html.escape(target)}"><h1>Viewloom</h1>{said}
<label>Password<input name="password" type="password" required autofocus autocomplete="current-password"></label>
<button>Sign in</button></form></html>"""
