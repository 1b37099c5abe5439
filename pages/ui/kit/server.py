"""The server that `viewloom` starts: Streamlit's, behind `Guard` and `Messages`, with `/healthz` and `/metrics`.

streamlit run pages/ui/kit/server.py
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.starlette import App

from pages.ui.kit import sign_in
from pages.ui.kit.sign_in import Guard, Receive, Scope, Send
from ssrl_core import __version__, access, stores
from ssrl_core.errors import AccessError, RunError, not_written

os.environ["FORWARDED_ALLOW_IPS"] = ""  # the address that is trusted is that of who speaks to us, not what they say
GATE = sign_in.gate(os.environ)


_CLICKS = ("trigger_value", "string_trigger_value", "chat_input_value", "json_trigger_value")
_LARGEST_MESSAGE, _LARGEST_JSON = 16_000_000, 2_000_000  # bytes; as JSON they can take twenty times that in memory
_DEEPEST = 20  # lists in lists; corners of an outline stand five deep
_TOO_LARGE = {"type": "websocket.disconnect", "code": 1009}


class Messages:
    """Looks at what a browser sends before Streamlit takes it: a click counts once, and nothing is too large.

    Streamlit's page keeps a click for a moment and then sends it. If the timer of a part that draws itself again
    (`run_every`) goes off in that moment, what it sends holds the click too, and its callback would run twice: a card
    opens and closes, a run is queued two times. So what a timer sends is passed on without clicks. What no page of ours
    would send is not passed on: a message of more than 16 MB ends the connection.

    Args:
        app: the application behind.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; of a websocket every message."""

        async def received() -> dict[str, Any]:
            message = await receive()
            data = message.get("bytes") or b""
            if len(data) > _LARGEST_MESSAGE:
                return _TOO_LARGE
            return {**message, "bytes": looked_at(data)} if data else message

        await self._app(scope, received if scope["type"] == "websocket" else receive, send)


def looked_at(data: bytes) -> bytes:
    """A browser's message (`BackMsg`), without what is no JSON of a component; if a timer sent it, without clicks."""
    said = BackMsg()
    try:
        said.ParseFromString(data)
    except DecodeError:
        return data  # Streamlit refuses it
    if said.WhichOneof("type") != "rerun_script":
        return data
    states = said.rerun_script.widget_states.widgets
    timed = said.rerun_script.is_auto_rerun
    kept = [state for state in states if _is_json(state) and not (timed and state.WhichOneof("value") in _CLICKS)]
    if len(kept) == len(states):
        return data
    del states[:]
    states.extend(kept)
    return bytes(said.SerializeToString())


def _is_json(state: Any) -> bool:
    """Whether what a component tells can be read, deep in Streamlit too: lists in lists in lists are too much there."""
    kind = state.WhichOneof("value")
    if kind not in ("json_value", "json_trigger_value"):
        return True
    text = getattr(state, kind)
    try:
        return len(text) <= _LARGEST_JSON and _is_flat(json.loads(text), _DEEPEST)
    except (ValueError, RecursionError):
        return False


def _is_flat(value: Any, levels: int) -> bool:
    """Whether no more than so many lists and mappings stand in one another."""
    if not isinstance(value, list | dict):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_flat(one, levels - 1) for one in inner)


_clear = ForwardMsgQueue.clear


def _cleared(
    queue: ForwardMsgQueue, retain_lifecycle_msgs: bool = False, fragment_ids_this_run: list[str] | None = None
) -> None:
    """Clear what waits to be sent to a browser, but not because one part of a page is drawn again.

    Streamlit (1.67) then tells of what another part drew just before that it was cut short, so the browser leaves on
    the page what that part had taken away: a card that was closed stays open until the next click.
    """
    if fragment_ids_this_run:
        queue._delta_index_map = {}  # the messages stay as they are: nothing later is merged into them
    else:
        _clear(queue, retain_lifecycle_msgs, fragment_ids_this_run)


ForwardMsgQueue.clear = _cleared  # type: ignore[method-assign, assignment]


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
    middleware=[Middleware(Guard, gate=GATE), Middleware(Messages)],
    on_script_error=told,
)
