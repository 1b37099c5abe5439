"""The server that `viewloom` starts: Streamlit's, behind `Guard`, with `/healthz` and `/metrics`.

streamlit run pages/ui/kit/server.py
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from streamlit.starlette import App

from pages.ui.kit import sign_in
from pages.ui.kit.sign_in import Guard
from ssrl_core import __version__, access, stores
from ssrl_core.errors import AccessError, RunError, not_written

os.environ["FORWARDED_ALLOW_IPS"] = ""  # the address that is trusted is that of who speaks to us, not what they say
GATE = sign_in.gate(os.environ)


def healthz(request: Request) -> Response:
    """200 while pages can be opened and the store can be read; whether it can be written is said."""
    return JSONResponse({"ok": True, "version": __version__, "room": stores.has_room(stores.models_root())})


def metrics(request: Request) -> Response:
    """The worker in Prometheus' text; to this machine, and to whom `metrics` of models/hosting.yaml names."""
    from ssrl_core.runs.worker.metrics import prometheus

    address = request.client.host if request.client else ""
    if not (access.is_loopback(address) or access.is_among(address, GATE.hosting.metrics)):
        return PlainTextResponse("Name this address under metrics in models/hosting.yaml.\n", 403)
    return PlainTextResponse(prometheus(), media_type="text/plain; version=0.0.4")


def told(error: Exception) -> bool | None:
    """What somebody may not do, and a disk that takes nothing, are said in words; else it is a bug and shows itself."""
    words = not_written(error) if isinstance(error, OSError) else error
    if not isinstance(words, AccessError | RunError):
        return None
    from pages.ui.kit import frame

    frame.show_error(words)
    return True


routes: list[Any] = [Route("/healthz", healthz), Route("/metrics", metrics)]
app = App(
    Path(__file__).resolve().parents[3] / "app.py",
    routes=routes,
    middleware=[Middleware(Guard, gate=GATE)],
    on_script_error=told,
)
