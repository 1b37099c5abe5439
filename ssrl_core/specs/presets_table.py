"""The compositions that ship, and what their source says and does not say. The numbers are in `presets/<name>.yaml`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """Where a composition is from.

    Attributes:
        group: heading in the list.
        source: section of the paper, or the project.
        silent: what the source leaves open and was assumed here; "" if nothing.
    """

    title: str
    group: str
    source: str
    silent: str = ""


_MNIST = "Digits (paper, table 2)"
_CELLS = "Cells (paper, tables 3 and 4, figure 6)"
_NATURAL = "Natural images"
_MNIST_SILENT = (
    "The text gives no order, fill or aspect ratio; the order here is the order of its sentence, the fill black, "
    "the ratio torchvision's. "
    "“Scale” is read as a share of the area, as torchvision does."
)
_INVERT = " The probability of inversion is not given; 0.5 is assumed."
_SUBSET = " The ranges of this row are not given; they are those of the set it belongs to."
_OVER = " A scale above 1 follows torchvision: a crop that does not fit is drawn again, then the whole image is taken."
_CELLS_SILENT = "The text gives no order and no fill; the order here is the order of its sentence, the fill black."

_AUTHORS = "As in the authors' earlier code: the image against one view"
_CODE = "IhabBendidi/IIC-SimCLR-MoCo-clusterer (2021), a predecessor of the paper"
_SCRIPTS_GROUP = "As in the authors' launch scripts"
_SCRIPTS = "IhabBendidi/original_solo (2022), a predecessor of the paper"
_SCRIPTS_SILENT = (
    "Crops are solo-learn's default, from 8 % of the area; those of VICReg and VIbCReg, from 20 %, are cifar-base. The "
    "probability of the jitter is the scripts' argument, its hue that of the scripts; no blur, no solarization."
)
_READ = "A reading, not the truth: the code is older than the paper. "
_ONCE = (
    "Crops are shares of the side and of one size for a run; so are margins. Jitter is part of the view; saturation "
    "and hue, which do nothing to grey images, are left out."
)
_LATER = "This set is not in that code: its steps are the paper's, pairs and jitter the code's. "
_CELL_IMAGE = "The other side of the pair is the image, turned by any angle and mirrored. "

PRESETS_TABLE: dict[str, Preset] = {
    "identity": Preset("The image as it is", "Nothing", "a composition without steps: the floor of every LPIPS"),
    "mnist-rotation-crop": Preset("Rotation, crop", _MNIST, "table 2, row 1", _MNIST_SILENT + _SUBSET),
    "mnist-rotation-crop-padding": Preset("Rotation, crop, padding", _MNIST, "table 2, row 2", _MNIST_SILENT + _SUBSET),
    "mnist-first-set": Preset(
        "First set: keeps the digit", _MNIST, "table 2, row 3; appendix B.2", _MNIST_SILENT + _INVERT
    ),
    "mnist-rotation-crop-flips": Preset(
        "Rotation, crop, flips", _MNIST, "table 2, row 4", _MNIST_SILENT + _SUBSET + _OVER
    ),
    "mnist-second-set": Preset(
        "Second set: keeps the handwriting",
        _MNIST,
        "table 2, row 5; appendix B.2",
        _MNIST_SILENT
        + _OVER
        + " The caption of figure 4 leaves out erasing and the horizontal flip; appendix B.2 has both.",
    ),
    "cifar-base": Preset(
        "CIFAR base",
        _NATURAL,
        "section 3.1, appendix B.1",
        "The text gives no crop scale (0.2 to 1 is the range of its sweep) and mentions neither blur nor greyscale. "
        "Hue 0.1 is the value that it keeps while other settings vary.",
    ),
    "cells-first-set": Preset(
        "First set: affine, jitter, crop", _CELLS, "table 3, appendix B.4", _CELLS_SILENT + _OVER
    ),
    "cells-first-set-flips": Preset(
        "First set with flips",
        _CELLS,
        "table 3, caption",
        _CELLS_SILENT + _OVER + " The caption adds rotations and flips that B.4 does not have.",
    ),
    "cells-second-set": Preset("Second set: affine, jitter, rotation", _CELLS, "table 3, appendix B.4", _CELLS_SILENT),
    "cells-second-set-flips": Preset(
        "Second set with flips",
        _CELLS,
        "table 3, caption",
        _CELLS_SILENT + " The caption adds flips that B.4 does not have.",
    ),
    "cells-figure6-left": Preset(
        "Figure 6 left: number of cells", _CELLS, "figure 6, appendix B.4", _CELLS_SILENT + _OVER
    ),
    "cells-figure6-right": Preset(
        "Figure 6 right: phenotype",
        _CELLS,
        "figure 6, appendix B.4",
        _CELLS_SILENT + " “Center crop with a scale of 0.5” is read as half of the side. Its crop is the same in "
        "every view: measure with evaluate: {input: fixed_steps}.",
    ),
    "cells-figure6-right-random": Preset(
        "Figure 6 right, random centre crop",
        _CELLS,
        "section 3.4",
        _CELLS_SILENT
        + " Section 3.4 says random centre crops and adds affine, without ranges; 0.4 to 0.6 of the side is assumed.",
    ),
    "cells-any-channels": Preset(
        "Any stains: what microscopes do",
        "Cells of any number of channels",
        "Viewloom; channel-aware steps as in SSLProfiler (arXiv:2506.14265)",
        "Each channel has its own gain and offset; colour jitter needs red, green and blue. Nothing is cut off, so "
        "size and neighbours stay. The ranges are ours, chosen by eye; one channel needs the step of "
        "cross-talk taken out.",
    ),
    "sololearn-symmetric": Preset(
        "solo-learn symmetric", _NATURAL, "solo-learn, scripts/pretrain/cifar/augmentations/symmetric.yaml"
    ),
    "sololearn-symmetric-weak": Preset(
        "solo-learn symmetric, weak", _NATURAL, "solo-learn, scripts/pretrain/cifar/augmentations/symmetric_weak.yaml"
    ),
    "sololearn-asymmetric": Preset(
        "solo-learn asymmetric", _NATURAL, "solo-learn, scripts/pretrain/cifar/augmentations/asymmetric.yaml"
    ),
    "sololearn-ressl": Preset(
        "solo-learn ReSSL",
        _NATURAL,
        "solo-learn, scripts/pretrain/cifar/augmentations/ressl.yaml",
        "The weak view is the teacher's.",
    ),
    "cifar-authors": Preset("CIFAR, launch scripts", _SCRIPTS_GROUP, _SCRIPTS, _READ + _SCRIPTS_SILENT),
    "cifar-ressl-authors": Preset(
        "CIFAR, launch scripts of ReSSL",
        _SCRIPTS_GROUP,
        _SCRIPTS,
        _READ + "The weak view, the teacher's, has no jitter; that it is cropped and mirrored too is assumed.",
    ),
    "mnist-rotation-crop-authors": Preset("Rotation, crop", _AUTHORS, _CODE, _READ + _ONCE),
    "mnist-rotation-crop-padding-authors": Preset("Rotation, crop, padding", _AUTHORS, _CODE, _READ + _ONCE),
    "mnist-first-set-authors": Preset("First set of digits", _AUTHORS, _CODE, _READ + _ONCE),
    "mnist-rotation-crop-flips-authors": Preset("Rotation, crop, flips", _AUTHORS, _CODE, _READ + _LATER),
    "mnist-second-set-authors": Preset("Second set of digits", _AUTHORS, _CODE, _READ + _LATER),
    "cells-first-set-authors": Preset("First set of cells", _AUTHORS, _CODE, _READ + _CELL_IMAGE),
    "cells-second-set-authors": Preset("Second set of cells", _AUTHORS, _CODE, _READ + _CELL_IMAGE),
    "cells-figure6-left-authors": Preset(
        "Figure 6 left",
        _AUTHORS,
        _CODE,
        _READ
        + _CELL_IMAGE
        + "The code's improved view (affine, any rotation, jitter) with the paper's crop and flips.",
    ),
    "cells-figure6-right-authors": Preset(
        "Figure 6 right",
        _AUTHORS,
        _CODE,
        _READ + _CELL_IMAGE + "The view is the middle 40 % of the side; in evaluation the code showed 50 %.",
    ),
}
