"""Who comes in: passwords, cookies, a proxy's header, host names, the link to one run; two roles in two browsers."""

import asyncio
import re
from urllib.parse import urlencode

import pytest

from pages.ui.kit import sign_in
from pages.ui.kit.sign_in import COOKIE, HEADER, Gate, Guard, TooManyTries
from ssrl_core import access
from ssrl_core.access import EDITOR, VIEWER, Hosting, Person
from ssrl_core.runs.folder import annotations
from ssrl_core.runs.folder.run_folder import RunFolder
from tests.browsing import served, settled, tab
from tests.kit import make_imageset, make_run

WORDS = {EDITOR: "correct horse", VIEWER: "only looking"}


def gate(**more) -> Gate:
    passwords = {role: sign_in._digest(word) for role, word in WORDS.items()}
    return Gate(**{"sign_in": "password", "open": True, "passwords": passwords, **more})


def asked(guard_of: Gate, path: str, *, body: bytes = b"", kind: str = "http", client: str = "10.0.0.9", **headers):
    """Status, answer's headers, and what the app behind was told (None: it was not asked)."""
    told, sent = [], []

    async def app(scope, receive, send):
        told.append(dict(scope["headers"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    place, _, query = path.partition("?")
    pairs = [
        (name.replace("_", "-").encode(), value.encode()) for name, value in ({"host": "127.0.0.1"} | headers).items()
    ]
    scope = {"type": kind, "path": place, "query_string": query.encode(), "headers": pairs, "client": (client, 1)}
    asyncio.run(Guard(app, guard_of)({**scope, "method": "POST" if body else "GET"}, receive, send))
    answer = {name.decode(): value.decode() for name, value in sent[0].get("headers", [])}
    return sent[0].get("status", sent[0]["type"]), answer, told[0] if told else None


def cookie_of(answer) -> str:
    return answer["set-cookie"].partition(";")[0]


def test_nobody_gets_anything_before_they_sign_in():
    here = gate()
    for path in ("/_stcore/host-config", "/media/x.png", "/_stcore/upload_file/1/2"):
        assert asked(here, path)[0] == 403
    assert asked(here, "/_stcore/stream", kind="websocket")[0] == "websocket.close"
    status, answer, told = asked(here, "/Clusters?run=x")
    assert (status, told) == (200, None)
    assert "no-store" in answer["cache-control"]
    assert "frame-ancestors" in answer["content-security-policy"]
    assert asked(here, "/healthz")[2] is not None


@pytest.mark.parametrize("role", [EDITOR, VIEWER])
def test_a_password_gives_its_role(role):
    here = gate()
    status, answer, _ = asked(here, "/Clusters?run=x", body=urlencode({"password": WORDS[role]}).encode())
    assert (status, answer["location"]) == (303, "/Clusters?run=x")
    assert all(word in answer["set-cookie"] for word in ("HttpOnly", "SameSite=Lax", "Max-Age=43200"))
    told = asked(here, "/_stcore/stream", kind="websocket", cookie=cookie_of(answer))[2]
    assert here.unseal(told[HEADER.encode()].decode()) == Person("", role, hosted=True, by_page=True)


def test_what_a_browser_says_of_itself_is_not_believed():
    here, other = gate(), gate()
    forged = other.seal(Person("", EDITOR))
    for text in (forged, "editor.9999999999..", here.seal(Person("", VIEWER)).replace("viewer", "editor"), "", "a.b"):
        assert asked(here, "/media/x", cookie=f"{COOKIE}={text}")[0] == 403
        assert asked(here, "/media/x", **{HEADER: text})[0] == 403
    viewer = here.seal(Person("", VIEWER))
    told = asked(here, "/media/x", cookie=f"{COOKIE}={viewer}", **{HEADER: here.seal(Person("", EDITOR))})[2]
    assert here.unseal(told[HEADER.encode()].decode()).role == VIEWER
    assert here.unseal(here.seal(Person("", EDITOR), now=0.0)) is None  # its time is over


def test_wrong_passwords_have_to_wait():
    here = gate()
    assert [here.role_by_password("wrong", "a", now=0.0) for _ in range(5)] == [None] * 5
    with pytest.raises(TooManyTries):
        here.role_by_password(WORDS[EDITOR], "a", now=1.0)
    assert here.role_by_password(WORDS[EDITOR], "b", now=1.0) == EDITOR  # others are not locked out
    assert here.role_by_password(WORDS[EDITOR], "a", now=61.0) == EDITOR
    for number in range(60):
        here.role_by_password("wrong", str(number), now=200.0)
    with pytest.raises(TooManyTries):  # from many addresses
        here.role_by_password("wrong", "c", now=200.0)


def test_a_header_counts_from_the_proxy_only():
    proxied = Hosting("header", ("Ada@lab.example",), "x-user", ("10.0.0.2", "10.1.0.0/16"))
    here = gate(sign_in="header", hosting=proxied)
    for client, role in (("10.0.0.2", EDITOR), ("10.1.7.7", EDITOR)):
        told = asked(here, "/media/x", client=client, x_user="ada@lab.example")[2]
        assert here.unseal(told[HEADER.encode()].decode()).role == role
    told = asked(here, "/media/x", client="10.0.0.2", x_user="bob@lab.example")[2]
    assert here.unseal(told[HEADER.encode()].decode()).role == VIEWER
    assert asked(here, "/", client="10.0.0.3", x_user="ada@lab.example")[0] == 403
    assert asked(here, "/", client="10.0.0.2")[0] == 403


def test_groups_of_a_header_make_editors_and_only_who_is_known_comes_in():
    known = Hosting(
        "header", ("group:Imaging",), "x-user", ("10.0.0.2",), viewers=("@lab.example",), groups_header="x-in"
    )
    here = gate(sign_in="header", hosting=known)

    def answer(name: str, groups: str = "", client: str = "10.0.0.2"):
        status, _, told = asked(here, "/media/x", client=client, x_user=name, x_in=groups)
        return here.unseal(told[HEADER.encode()].decode()).role if told else status

    assert answer("eve@other.example", "staff, imaging") == EDITOR
    assert answer("ben@lab.example", "staff") == VIEWER
    assert answer("eve@other.example", "staff") == 403
    assert answer("ben@lab.example@other.example") == 403
    assert answer("eve@other.example", "imaging", client="10.0.0.9") == 403  # past the proxy


def test_a_foreign_host_is_refused_whatever_is_asked():
    for here in (gate(), Gate()):
        assert asked(here, "/healthz", host="evil.example")[0] == 400
        assert asked(here, "/_stcore/stream", kind="websocket", host="evil.example")[0] == "websocket.close"


def test_where_others_come_and_nobody_signs_in_nothing_is_answered():
    assert asked(Gate(open=True), "/")[0] == 403
    assert asked(Gate(), "/")[2] is not None


def test_a_link_shows_one_run():
    here = Gate(open=True, only="mine", link="secret")
    assert asked(here, "/Show")[0] == 403
    assert asked(here, "/Show?key=guess")[0] == 403
    _, answer, told = asked(here, "/Show?key=secret")
    assert here.unseal(told[HEADER.encode()].decode()).only == "mine"
    assert asked(here, "/_stcore/stream", kind="websocket", cookie=cookie_of(answer))[2] is not None
    assert asked(Gate(only="mine"), "/Show")[2] is not None  # this machine only


def test_no_answer_goes_to_another_site():
    here = gate()
    body = urlencode({"password": WORDS[EDITOR]}).encode()
    for path in ("//evil.example/x", "/\\evil.example", "//evil.example?next=http://evil.example"):
        assert re.match(r"/(?![/\\])", asked(here, path, body=body)[1]["location"])


@pytest.mark.browser
@pytest.mark.slow
def test_two_roles_in_two_browsers(monkeypatch):
    make_imageset(600, side=16)
    run = make_run(n=90)
    for name, role in zip(access.SECRETS, (EDITOR, VIEWER), strict=True):
        monkeypatch.setenv(name, WORDS[role])
    seen = {}
    with served() as address:
        for role in (VIEWER, EDITOR):
            with tab(timeout_s=60) as page:
                page.goto(f"{address}/Clusters?run={run.name}&k=3")
                page.get_by_label("Password").fill("wrong one")
                page.get_by_role("button", name="Sign in").click()
                assert "not the password" in page.get_by_role("alert").inner_text()
                page.get_by_label("Password").fill(WORDS[role])
                page.get_by_role("button", name="Sign in").click()
                page.locator(".strips .row").first.wait_for()
                page.locator(".headbox button[title=Rename]").first.click()
                page.locator(".headbox input").fill(f"by the {role}")
                page.keyboard.press("Enter")
                page.wait_for_timeout(1500)
                settled(page)
                seen[role] = annotations.read(RunFolder(run.name))["clusters"]
                told = page.locator("[data-testid=stAlert]").all_inner_texts()
                assert any("for editors" in text for text in told) == (role == VIEWER)
                page.goto(f"{address}/Train")
                page.locator("h1, .vl-quiet").first.wait_for()
                settled(page)
                assert (page.get_by_text("are for editors").count() > 0) == (role == VIEWER)
    assert seen[VIEWER] == {}
    assert "by the editor" in str(seen[EDITOR])
