"""The table of transforms: names, settings, ranges, units, and a sentence for someone who never trained a network.

The law behind each setting is contracts C3 (docs/transforms.md is made from this table). A new transform is a row here
and a file in `compositions/transforms/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ssrl_core.specs.parameters import Parameter
from ssrl_core.specs.transform import SENTENCES, Transform

__all__ = ["TRANSFORMS", "Transform", "sentence"]


_TV = "torchvision.transforms.v2"
_FILL = Parameter(
    "fill", "number", 0.0, "Brightness of the area that nothing was moved into: 0 is black, 1 is white.", step=0.05
)
_ORDER = Parameter(
    "order",
    "choice",
    "random",
    "Whether the changes come in a random order (as torchvision does) or always brightness, contrast, saturation, hue.",
    options=("random", "fixed"),
)


def _factor(name: str, sentence: str) -> Parameter:
    return Parameter(
        name, "amplitude", 0.0, sentence, 0.0, 10.0, "±", 0.05, pair_low=0.0, pair_high=10.0, search=(0.0, 0.8)
    )


_HUE = Parameter(
    "hue",
    "amplitude",
    0.0,
    "How far colours may turn round the colour wheel; 0.5 is half a turn, any colour can become any other.",
    0.0,
    0.5,
    "turn",
    0.01,
    pair_low=-0.5,
    pair_high=0.5,
    search=(0.0, 0.3),
)

_ROWS = (
    Transform(
        "resized_crop",
        "Crop and resize",
        "crop",
        "geometry",
        "Cuts a rectangle out of the image and enlarges it, so that place, size and what lies outside stop mattering.",
        f"{_TV}.RandomResizedCrop",
        (
            Parameter(
                "scale",
                "range",
                (0.08, 1.0),
                "Share of the image's area that is kept.",
                0.001,
                4.0,
                "of the area",
                search=(0.08, 1.0),
            ),
            Parameter(
                "ratio",
                "range",
                (0.75, 4 / 3),
                "Width over height of the rectangle before it is resized.",
                0.05,
                20.0,
                "w:h",
                0.05,
                log=True,
            ),
            Parameter(
                "overflow",
                "choice",
                "reject",
                "A rectangle that does not fit is drawn again (reject), or reaches over the edge into the fill (pad).",
                options=("reject", "pad"),
            ),
            _FILL,
        ),
    ),
    Transform(
        "side_crop",
        "Crop by side",
        "crop_free",
        "geometry",
        "Cuts a piece of the image's own shape out of it and enlarges it, so that place and size stop mattering.",
        "the authors' earlier code (IhabBendidi/IIC-SimCLR-MoCo-clusterer), whose crops are shares of the side",
        (
            Parameter(
                "side",
                "range",
                (0.5, 0.9),
                "Side of the piece that is kept.",
                0.01,
                1.0,
                "of the side",
                search=(0.3, 1.0),
            ),
        ),
        once=("side",),
        searched=False,
    ),
    Transform(
        "center_crop",
        "Centre crop",
        "center_focus_strong",
        "geometry",
        "Keeps the middle of the image and enlarges it, so that the surroundings are not seen at all.",
        "paper, section 3.4 and appendix B.4",
        (
            Parameter(
                "side",
                "range",
                (0.5, 0.5),
                "Side of the middle part that is kept.",
                0.01,
                1.0,
                "of the side",
                search=(0.3, 0.9),
            ),
        ),
        once=("side",),
    ),
    Transform(
        "pad",
        "Padding",
        "padding",
        "geometry",
        "Puts a margin around the image and shrinks it back, so that the size of things stops mattering.",
        "paper, appendix B.2",
        (
            Parameter(
                "fraction",
                "range",
                (0.1, 0.4),
                "Width of the margin added on each side.",
                0.0,
                2.0,
                "of the side",
                search=(0.0, 0.4),
            ),
            _FILL,
        ),
        once=("fraction",),
    ),
    Transform(
        "horizontal_flip",
        "Horizontal flip",
        "flip",
        "geometry",
        "Mirrors left and right, so that the side something is on stops mattering.",
        f"{_TV}.RandomHorizontalFlip",
    ),
    Transform(
        "vertical_flip",
        "Vertical flip",
        "swap_vert",
        "geometry",
        "Mirrors up and down: harmless for cells, destructive for digits (6 and 9).",
        f"{_TV}.RandomVerticalFlip",
    ),
    Transform(
        "rotation",
        "Rotation",
        "rotate_right",
        "geometry",
        "Turns the image about its middle, so that direction stops mattering.",
        f"{_TV}.RandomRotation",
        (
            Parameter(
                "degrees",
                "amplitude",
                180.0,
                "Largest turn, to either side.",
                0.0,
                360.0,
                "°",
                1.0,
                pair_low=-360.0,
                pair_high=360.0,
                search=(5.0, 180.0),
            ),
            _FILL,
        ),
    ),
    Transform(
        "affine",
        "Affine",
        "transform",
        "geometry",
        "Turns, shifts, slants and scales a little at once, so that pose stops mattering.",
        f"{_TV}.RandomAffine",
        (
            Parameter(
                "degrees",
                "amplitude",
                0.0,
                "Largest turn, to either side.",
                0.0,
                360.0,
                "°",
                1.0,
                pair_low=-360.0,
                pair_high=360.0,
                search=(0.0, 45.0),
            ),
            Parameter(
                "translate",
                "amplitude",
                0.0,
                "Largest shift, along each axis.",
                0.0,
                1.0,
                "of the side",
                0.01,
                pair_low=-1.0,
                pair_high=1.0,
                search=(0.0, 0.3),
            ),
            Parameter(
                "shear",
                "amplitude",
                0.0,
                "Largest slant, along x.",
                0.0,
                80.0,
                "°",
                1.0,
                pair_low=-80.0,
                pair_high=80.0,
                search=(0.0, 30.0),
            ),
            Parameter(
                "scale",
                "range",
                (1.0, 1.0),
                "Enlargement; 1 leaves the size.",
                0.05,
                10.0,
                "×",
                0.05,
                search=(0.6, 1.4),
            ),
            _FILL,
        ),
    ),
    Transform(
        "color_jitter",
        "Colour jitter",
        "palette",
        "colour",
        "Changes brightness, contrast, saturation and hue, so that lighting and staining stop mattering.",
        f"{_TV}.ColorJitter",
        (
            _factor("brightness", "Brightness is multiplied by a factor of 1 ± this."),
            _factor("contrast", "Differences from the mean grey are multiplied by a factor of 1 ± this."),
            _factor("saturation", "Colourfulness is multiplied by a factor of 1 ± this."),
            _HUE,
            _ORDER,
        ),
        channels=3,
        begins_with={"brightness": 0.4, "contrast": 0.4, "saturation": 0.2, "hue": 0.1},
    ),
    Transform(
        "hue_jitter",
        "Hue jitter",
        "colorize",
        "colour",
        "Turns all colours round the colour wheel, so that colour itself stops mattering.",
        "paper, appendix B.1 (the hue with a probability of its own)",
        (
            Parameter(
                "hue",
                "amplitude",
                0.5,
                _HUE.sentence,
                0.0,
                0.5,
                "turn",
                0.01,
                pair_low=-0.5,
                pair_high=0.5,
                search=(0.02, 0.5),
            ),
        ),
        channels=3,
    ),
    Transform(
        "grayscale",
        "Greyscale",
        "filter_b_and_w",
        "colour",
        "Takes the colour away and leaves the brightness.",
        f"{_TV}.RandomGrayscale",
        channels=3,
    ),
    Transform(
        "invert",
        "Inversion",
        "invert_colors",
        "colour",
        "Makes a negative: dark becomes bright, so that only the shape is left to tell images apart.",
        f"{_TV}.RandomInvert",
    ),
    Transform(
        "equalize",
        "Equalize",
        "equalizer",
        "colour",
        "Spreads the brightness values evenly over the whole range, in each channel.",
        f"{_TV}.RandomEqualize",
    ),
    Transform(
        "gaussian_blur",
        "Blur",
        "blur_on",
        "pixel",
        "Softens the image, so that fine texture stops mattering.",
        f"{_TV}.GaussianBlur (radius here: 3 sigma)",
        (
            Parameter(
                "sigma",
                "range",
                (0.1, 2.0),
                "Width of the blur in pixels of the view.",
                0.0,
                50.0,
                "px",
                0.1,
                search=(0.1, 3.0),
            ),
        ),
    ),
    Transform(
        "solarize",
        "Solarize",
        "wb_sunny",
        "colour",
        "Turns the bright part of the image into its negative.",
        f"{_TV}.RandomSolarize",
        (
            Parameter(
                "threshold",
                "range",
                (0.5, 0.5),
                "Values from here on are turned round.",
                0.0,
                1.0,
                "of full brightness",
                search=(0.3, 0.9),
            ),
        ),
    ),
    Transform(
        "random_erasing",
        "Erasing",
        "hide_image",
        "pixel",
        "Covers a rectangle, so that no single part of the image is enough.",
        f"{_TV}.RandomErasing",
        (
            Parameter(
                "scale",
                "range",
                (0.02, 0.33),
                "Share of the image's area that is covered.",
                0.0,
                1.0,
                "of the area",
                search=(0.02, 0.4),
            ),
            Parameter(
                "ratio", "range", (0.3, 3.3), "Height over width of the rectangle.", 0.05, 20.0, "h:w", 0.1, log=True
            ),
            Parameter(
                "value",
                "fill",
                0.0,
                "What covers it: a brightness, noise, or the image's mean.",
                0.0,
                1.0,
                options=("noise", "mean"),
            ),
        ),
    ),
)

MICROSCOPY = (
    Transform(
        "gaussian_noise",
        "Gaussian noise",
        "grain",
        "pixel",
        "Adds noise of the camera to each pixel and channel, so that single pixels stop mattering.",
        "torchvision.transforms.v2.GaussianNoise (here with a drawn width)",
        (
            Parameter(
                "sigma",
                "range",
                (0.0, 0.1),
                "Standard deviation of the noise.",
                0.0,
                1.0,
                "of full brightness",
                search=(0.0, 0.2),
            ),
        ),
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
                search=(10.0, 500.0),
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
                search=(0.0, 0.8),
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
                search=(0.0, 0.3),
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
                search=(0.4, 2.5),
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
        (
            Parameter(
                "radius",
                "range",
                (0.5, 3.0),
                "Radius of the disk in pixels of the view.",
                0.0,
                20.0,
                "px",
                0.1,
                search=(0.5, 4.0),
            ),
        ),
    ),
)


TRANSFORMS: dict[str, Transform] = {row.name: row for row in (*_ROWS, *MICROSCOPY)}


def sentence(name: str, settings: Mapping[str, Any]) -> str:
    """The parameters of a step in words, without its probability: "rotation up to 180°"."""
    sentence = SENTENCES.get(name)
    return sentence(settings) if sentence else TRANSFORMS[name].title.lower()
