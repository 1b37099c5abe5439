"""Names, colours and display windows of an image set's channels, changed in place."""

from __future__ import annotations

import streamlit as st

from pages.ui.kit import frame
from ssrl_core.datasets import store as image_sets
from ssrl_core.datasets.channels import changed
from ssrl_core.datasets.imageset import Channel, ImageSet
from ssrl_core.datasets.pictures import display_limits

_ONE = "One channel is always shown in grey."


def popover(imageset: ImageSet) -> None:
    """A name, a colour, and what is shown black and full, for each channel; kept with one button."""
    place = st.popover("Names and colours", icon=":material/palette:", key=f"data-channels-{imageset.name}")
    with place, st.form(f"data-channels-form-{imageset.name}", border=False):
        rows = [_row(imageset, number, channel) for number, channel in enumerate(imageset.channels)]
        frame.quiet(
            f"{_ONE if len(rows) == 1 else ''} Black and full are pixel values; empty: by the images themselves. "
            "Only what is shown changes, not what trains."
        )
        if st.form_submit_button("Keep", type="primary"):
            _keep(imageset, rows)


def _row(imageset: ImageSet, place: int, channel: Channel) -> Channel:
    """The widgets of one channel, and what they say."""
    key, many = f"data-channel-{imageset.name}-{place}", imageset.shape[0] > 1
    low, high = display_limits(imageset)[place]
    name, colour, black, full = st.columns([0.38, 0.14, 0.24, 0.24], vertical_alignment="bottom")
    top = float(imageset.max_value)
    said = channel.window or (None, None)
    with name:
        new_name = st.text_input(f"Channel {place + 1}", channel.name, key=f"{key}-name", max_chars=80)
    with colour:
        new_colour = st.color_picker("Colour", channel.colour, key=f"{key}-colour", disabled=not many)
    with black:
        new_low = st.number_input(
            "Black", None, None, said[0], key=f"{key}-black", placeholder=f"{low:.4g}", format="%g"
        )
    with full:
        new_high = st.number_input(
            "Full", None, None, said[1], key=f"{key}-full", placeholder=f"{high:.4g}", format="%g"
        )
    return Channel(new_name, new_colour, _window(new_low, new_high, top))


def _window(low: float | None, high: float | None, top: float) -> tuple[float, float] | None:
    """One that is given alone goes with the end of the range."""
    if low is None and high is None:
        return None
    return (0.0 if low is None else low, top if high is None else high)


def _keep(imageset: ImageSet, rows: list[Channel]) -> None:
    with frame.guard():
        channels = changed(
            imageset.channels,
            names=[row.name for row in rows],
            colours=[row.colour for row in rows],
            windows=[row.window for row in rows],
            where=f"image set {imageset.name!r}",
        )
        image_sets.set_channels(imageset.name, channels)
        st.rerun()
