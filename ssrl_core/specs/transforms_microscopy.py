"""Rows of the table of transforms for what differs between microscopes, cameras and stainings."""

from __future__ import annotations

from ssrl_core.specs.parameters import Parameter
from ssrl_core.specs.transform import Transform

MICROSCOPY = (
    Transform(
        "gaussian_noise",
        "Gaussian noise",
        "grain",
        "pixel",
        "Adds noise of the camera to each pixel and channel, so that single pixels stop mattering.",
        "torchvision.transforms.v2.GaussianNoise (here with a drawn width)",
        (Parameter("sigma", "range", (0.0, 0.1), "Standard deviation of the noise.", 0.0, 1.0, "of full brightness"),),
    ),
    Transform(
        "poisson_noise",
        "Shot noise",
        "flare",
        "pixel",
        "Counts photons: the fewer, the grainier, and bright places more than dark ones, as in a short exposure.",
        "Poisson(x · photons) / photons",
        (
            Parameter(
                "photons",
                "range",
                (50.0, 500.0),
                "Photons that a pixel of full brightness catches; fewer is noisier.",
                1.0,
                100000.0,
                "photons",
                1.0,
                log=True,
            ),
        ),
    ),
    Transform(
        "channel_gain",
        "Channel gain",
        "tune",
        "colour",
        "Makes each channel brighter or darker by itself, so that staining and exposure stop mattering.",
        "x · gain + offset, each channel with its own",
        (
            Parameter(
                "gain",
                "amplitude",
                0.2,
                "Each channel is multiplied by a factor of 1 ± this.",
                0.0,
                10.0,
                "±",
                0.05,
                pair_low=0.0,
                pair_high=10.0,
            ),
            Parameter(
                "offset",
                "amplitude",
                0.0,
                "To each channel up to this is added or taken away.",
                0.0,
                1.0,
                "of full brightness",
                0.01,
                pair_low=-1.0,
                pair_high=1.0,
            ),
        ),
    ),
    Transform(
        "channel_drop",
        "Channel drop",
        "layers_clear",
        "colour",
        "Takes one channel away, so that no single stain is enough to tell images apart.",
        "albumentations.ChannelDropout with one channel",
        (
            Parameter(
                "fill", "number", 0.0, "Brightness of the channel that was dropped: 0 is black, 1 is white.", step=0.05
            ),
        ),
        channels=2,
    ),
    Transform(
        "gamma",
        "Gamma",
        "exposure",
        "colour",
        "Brightens or darkens the middle tones, so that the response of a camera stops mattering.",
        "torchvision.transforms.v2.functional.adjust_gamma",
        (
            Parameter(
                "gamma",
                "range",
                (0.5, 2.0),
                "The power that values in 0..1 are raised to; below 1 is brighter.",
                0.05,
                20.0,
                "",
                0.05,
                log=True,
            ),
        ),
    ),
    Transform(
        "defocus",
        "Defocus",
        "blur_circular",
        "pixel",
        "Spreads each point over a disk, as a lens out of focus does, so that the focal plane stops mattering.",
        "mean over a disk whose edge falls over one pixel",
        (Parameter("radius", "range", (0.5, 3.0), "Radius of the disk in pixels of the view.", 0.0, 20.0, "px", 0.1),),
    ),
)
