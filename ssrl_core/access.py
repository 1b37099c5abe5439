"""Who may do what, and which files of the server may be read.

A command is an *editor* of everything, and so is whoever uses an app that only this machine reaches. Where others
reach the app, people sign in: a *viewer* looks, an *editor* may change what others see, and neither may have the
server read files outside the stores and the roots that `models/hosting.yaml` names. Calls of the core that change
something ask here (`require_editor`), so it does not matter which page or request they come from; the app says who is
there (`install`).

    version: 1
    sign_in: password              # password (VIEWLOOM_PASSWORD, VIEWLOOM_VIEWER_PASSWORD) | header | oidc
    editors: [ada@lab.example]     # header, oidc: who may change things; "group:NAME", "@DOMAIN", "*" too
    viewers: ["@lab.example"]      # header, oidc: who may look; left out, everybody whom the proxy or provider signs in
    header: {name: X-Forwarded-Email, groups: X-Forwarded-Groups, trusted: [10.0.0.2, 10.1.0.0/16]}
    roots: [/data/screens]         # below these, images and weights may be named by their path
    hosts: [viewloom.lab.example]  # names that the app is called by
    metrics: [10.0.0.9]            # who may ask for /metrics, beside this machine
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ssrl_core import stores
from ssrl_core.errors import AccessError, SpecError

VIEWER, EDITOR, UNKNOWN = "viewer", "editor", "nobody"
SIGN_IN = ("password", "header", "oidc")
VARIABLE = "VIEWLOOM_PERSON"  # for whom a job works that a page started
SECRETS = ("VIEWLOOM_PASSWORD", "VIEWLOOM_VIEWER_PASSWORD")  # no other process needs to know them
PASSWORD_LENGTH = 8
_KEYS = {"version", "sign_in", "editors", "viewers", "header", "roots", "hosts", "metrics"}


@dataclass(frozen=True)
class Person:
    """Who asks for something.

    Attributes:
        name: what they signed in as; "" where nobody had to.
        role: viewer or editor; nobody for who has not signed in, or is not known here.
        hosted: they came through an app that others than this machine reach.
        by_page: they came through a page, not by a command.
        only: the one run that they may see; None is all.
    """

    name: str = ""
    role: str = EDITOR
    hosted: bool = False
    by_page: bool = False
    only: str | None = None


COMMAND = Person()
NOBODY = Person(role=UNKNOWN, hosted=True, by_page=True)  # who has not signed in
_ask: Callable[[], Person | None] | None = None


def install(ask: Callable[[], Person | None]) -> None:
    """Let the app say who is there; None from it means that no page is asking."""
    global _ask
    _ask = ask


def current() -> Person:
    """Who asks for what is being done now."""
    found = _ask() if _ask else None
    if found is not None:
        return found
    name = os.environ.get(VARIABLE)
    return COMMAND if name is None else Person(name, EDITOR, hosted=True)


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that works for who asks now: bound as they are, without the app's passwords."""
    kept = {name: value for name, value in environment.items() if name not in SECRETS}
    person = current()
    return kept | {VARIABLE: person.name} if person.hosted else kept


def require_editor(doing: str) -> None:
    """Refuse what changes what others see, unless an editor asks.

    Args:
        doing: what is about to be done, such as "Stopping runs".

    Raises:
        AccessError: a viewer asks.
    """
    if current().role != EDITOR:
        raise AccessError(f"{doing} is for editors, and you look at this as a viewer. Ask an editor to do it.")


def require_command(doing: str) -> None:
    """Refuse what reaches beyond the app (what a shell runs, which hosts are spoken to), unless a command asks.

    Raises:
        AccessError: a page asks.
    """
    if current().by_page or current().hosted:
        raise AccessError(f"{doing} is set on the server only: by the command `viewloom worker --keep …`.")


def may_read(path: Path) -> bool:
    """Whether who asks may have this file of the server read; whoever hosts nobody may name any."""
    if not current().hosted:
        return True
    roots = [stores.data_root(), stores.models_root(), stores.demo_root(), *hosting().roots]
    try:
        real = path.expanduser().resolve()
    except (OSError, ValueError, RuntimeError):  # too long, a NUL, no such home
        return False
    return any(real.is_relative_to(root.resolve()) for root in roots)


def require_readable(path: Path, where: str) -> None:
    """Refuse a file of the server that is below no root; whether it exists is not said.

    Raises:
        AccessError: it may not be read.
    """
    if not may_read(path):
        remedy = "Upload it, or have the server's owner name its folder under roots in models/hosting.yaml."
        raise AccessError(f"{where}: files of the server may be read below its roots only, not {str(path)!r}. {remedy}")


@dataclass(frozen=True)
class Hosting:
    """How the app is reached; see the head of this module.

    Attributes:
        sign_in: None: nobody signs in, so only this machine may reach it.
        header, groups_header, trusted: the headers that name a person and their groups, and the addresses they are
            believed from.
        viewers: who may look; () is everybody who signs in.
    """

    sign_in: str | None = None
    editors: tuple[str, ...] = ()
    header: str = ""
    trusted: tuple[str, ...] = ()
    roots: tuple[Path, ...] = ()
    hosts: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    viewers: tuple[str, ...] = ()
    groups_header: str = ""

    def role_of(self, name: str, groups: Sequence[str] = ()) -> str:
        """The role of somebody who signed in by header or OIDC: editor, viewer, or nobody where they are not known."""
        words = {
            "*",
            name,
            *(f"group:{group}" for group in groups),
            *({"@" + name.rpartition("@")[2]} if "@" in name else ()),
        }
        known = {word.casefold() for word in words}
        if not known.isdisjoint(one.casefold() for one in self.editors):
            return EDITOR
        may_look = not self.viewers or not known.isdisjoint(one.casefold() for one in self.viewers)
        return VIEWER if may_look else UNKNOWN

    def trusts(self, address: str | None) -> bool:
        """Whether a header is believed from this address."""
        return is_among(address, self.trusted)


def hosting() -> Hosting:
    """The settings of `models/hosting.yaml` and of VIEWLOOM_HOSTS.

    Raises:
        SpecError: a setting that is none.
    """
    file = stores.models_root() / "hosting.yaml"
    found = _read(_parsed(file), str(file)) if file.is_file() else Hosting()
    if found.sign_in is None and os.environ.get(SECRETS[0]):
        found = replace(found, sign_in="password")
    named = tuple(one.strip().lower() for one in os.environ.get("VIEWLOOM_HOSTS", "").split(",") if one.strip())
    return replace(found, hosts=(*found.hosts, *named))


def why_not_for_others(address: str) -> str:
    """Why the app must not be started so that others reach it, with what to do; "" where it may.

    Args:
        address: where it would listen.

    Raises:
        SpecError: settings that cannot be used.
    """
    found = hosting()
    if found.sign_in is None and is_open(found, address):
        return (
            "Others than this machine would reach the app, so people have to sign in. Set VIEWLOOM_PASSWORD (and "
            "VIEWLOOM_VIEWER_PASSWORD), or write sign_in: header or oidc into models/hosting.yaml: docs/security.md."
        )
    words = [os.environ.get(name, "") for name in SECRETS]
    if found.sign_in == "password" and (not words[0] or any(word and len(word) < PASSWORD_LENGTH for word in words)):
        return f"Set VIEWLOOM_PASSWORD to at least {PASSWORD_LENGTH} characters: whoever knows it is an editor."
    if found.sign_in == "password" and words[0] == words[1]:
        return "VIEWLOOM_VIEWER_PASSWORD is that of the editors. Choose another one for viewers."
    return ""


def is_open(settings: Hosting, address: str) -> bool:
    """Whether others than this machine reach an app that listens there.

    A name of its own means that a proxy stands before it. A container listens everywhere inside of itself; what counts
    is where its port is published (VIEWLOOM_PUBLISHED_ON), which only who starts it knows.
    """
    return bool(settings.hosts) or not is_loopback(os.environ.get("VIEWLOOM_PUBLISHED_ON") or address)


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches a server that listens there."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address.lower() == "localhost"


def is_among(address: str | None, networks: tuple[str, ...]) -> bool:
    """Whether an address is one of these, or in one of these networks."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    return any(found in ipaddress.ip_network(network, strict=False) for network in networks)


def is_known_host(host: str | None) -> bool:
    """Whether a browser that asks under this name may have been meant for us.

    A page elsewhere can give its own name our address (DNS rebinding) and would then read what we answer. So a name
    must be localhost, this machine's own, or one that the owner gave; a bare address is no name.

    Args:
        host: the header `Host`, with or without a port; None where no browser asks (a test).
    """
    if host is None:
        return True
    try:
        name = urlsplit(f"//{host}").hostname or ""
        ipaddress.ip_address(name)
    except ValueError:
        return name in {"localhost", socket.gethostname().lower()} or name in hosting().hosts
    return True


def _parsed(file: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise SpecError(f"{file}: the settings cannot be read ({error}). Correct or delete the file.") from error


def _read(data: Any, where: str) -> Hosting:
    """Settings from plain data."""
    if not isinstance(data, Mapping):
        raise SpecError.at(where, "settings", "a mapping", type(data).__name__, "Write sign_in: password.")
    stores.check_version(dict(data), where)
    if unknown := sorted(set(data) - _KEYS):
        raise SpecError.at(where, "settings", f"of {', '.join(sorted(_KEYS))}", unknown[0], "Correct its name.")
    sign_in = data.get("sign_in")
    if sign_in not in (None, *SIGN_IN):
        raise SpecError.at(where, "sign_in", f"one of {', '.join(SIGN_IN)}", sign_in)
    header = data.get("header") or {}
    if not isinstance(header, Mapping) or (sign_in == "header" and not (header.get("name") and header.get("trusted"))):
        raise SpecError.at(where, "header", "{name, trusted: [addresses]}", header, "Name the proxy's header.")
    return Hosting(
        sign_in,
        _texts(data, "editors", where),
        str(header.get("name", "")).lower(),
        _networks(header, "trusted", where),
        tuple(Path(one).expanduser().absolute() for one in _texts(data, "roots", where)),
        tuple(one.lower() for one in _texts(data, "hosts", where)),
        _networks(data, "metrics", where),
        _texts(data, "viewers", where),
        str(header.get("groups", "")).lower(),
    )


def _texts(data: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    found = data.get(key) or []
    if not isinstance(found, list) or not all(isinstance(one, str) and one for one in found):
        raise SpecError.at(where, key, "a list of texts", found)
    return tuple(found)


def _networks(data: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    found = _texts(data, key, where)
    for one in found:
        try:
            ipaddress.ip_network(one, strict=False)
        except ValueError as error:
            raise SpecError.at(where, key, "addresses such as 10.0.0.2 or 10.1.0.0/16", one) from error
    return found
