"""The table of methods: settings, optimizer, paper. Defaults are solo-learn's CIFAR recipes (docs/methods.md); those of
lejepa are its paper's, those of w_mse its authors' for CIFAR-10.

A new method is a row here and a file in `learning/methods/`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ssrl_core.specs.backbones import BANKS, check_bank
from ssrl_core.specs.backbones import DEFAULT as BANK
from ssrl_core.specs.parameters import Parameter


def _whole(name: str, default: int, sentence: str, high: float = 1_048_576, low: float = 1) -> Parameter:
    return Parameter(name, "integer", default, sentence, low, high, "", 1)


def _real(name: str, default: float, sentence: str, low: float, high: float, step: float = 0.01) -> Parameter:
    return Parameter(name, "number", default, sentence, low, high, "", step)


def _hidden(default: int) -> Parameter:
    return _whole("hidden_dim", default, "Width of the projector's hidden layer.", 65_536)


def _projection(default: int) -> Parameter:
    return _whole("projection_dim", default, "Width of the projection, which only the loss sees.", 65_536)


def _predictor(default: int) -> Parameter:
    return _whole("predictor_dim", default, "Width of the predictor's hidden layer.", 65_536)


def _temperature(default: float) -> Parameter:
    return _real(
        "temperature", default, "Softness of the comparison; lower weighs the most similar images more.", 0.001, 10.0
    )


def _teacher_temperature(default: float) -> Parameter:
    return _real("teacher_temperature", default, "Softness of the teacher's answers.", 0.001, 10.0)


def _queue(default: int) -> Parameter:
    return _whole(
        "queue_size",
        default,
        "Projections of earlier batches that are kept for comparison; a multiple of the batch size.",
    )


def _momentum(start: float, end: float) -> tuple[Parameter, ...]:
    return (
        _real("momentum_start", start, "How slowly the momentum network follows, at the start.", 0.0, 1.0, 0.001),
        _real("momentum_end", end, "How slowly the momentum network follows, at the end.", 0.0, 1.0, 0.001),
    )


def _prototypes(default: int) -> Parameter:
    return _whole("prototypes", default, "Directions that images are assigned to.")


def _freeze(default: int) -> Parameter:
    return _whole(
        "freeze_prototypes_epochs", default, "Epochs at the start in which the prototypes stay as they are.", 100_000, 0
    )


def _vic(covariance: float) -> tuple[Parameter, ...]:
    return (
        _real("invariance_weight", 25.0, "Weight of the distance between two views of one image.", 0.0, 1e6, 1.0),
        _real("variance_weight", 25.0, "Weight of keeping every dimension spread.", 0.0, 1e6, 1.0),
        _real("covariance_weight", covariance, "Weight of keeping dimensions unrelated.", 0.0, 1e6, 1.0),
    )


@dataclass(frozen=True)
class MethodRow:
    """A method of self-supervised learning.

    Attributes:
        views: what its composition must give: "two" global views, or "two or more" (multi-crop).
        optimizer: its own optimizer, used where a spec names none.
        schedule: its own schedule.
        queue_multiple: its queue must be a multiple of the batch size.
    """

    name: str
    title: str
    sentence: str
    paper: str
    settings: tuple[Parameter, ...]
    optimizer: dict[str, Any]
    schedule: dict[str, Any] = field(
        default_factory=lambda: {"name": "cosine", "warmup_epochs": 10, "warmup_lr": 3.0e-05}
    )
    views: str = "two"
    queue_multiple: bool = True

    @property
    def has_teacher(self) -> bool:
        """Whether a momentum network follows the one that learns."""
        return any(setting.name == "momentum_start" for setting in self.settings)

    def setting(self, name: str) -> Parameter:
        """The row of one setting."""
        return next(setting for setting in self.settings if setting.name == name)


def _own(name: str, lr: float, weight_decay: float) -> dict[str, Any]:
    return {"name": name, "lr": lr, "lr_scaling": "batch256", "weight_decay": weight_decay}


_ROWS = (
    MethodRow(
        "barlow_twins",
        "Barlow Twins",
        "Makes each dimension agree between two views and differ from every other dimension.",
        "Zbontar et al. 2021, arXiv:2103.03230",
        (
            _hidden(2048),
            _projection(2048),
            _real("lambda", 0.0051, "Weight of keeping dimensions apart.", 0.0, 1e3, 0.0001),
            _real("loss_scale", 0.1, "Factor on the whole loss.", 0.0, 1e3, 0.01),
        ),
        _own("lars", 0.3, 1e-4),
    ),
    MethodRow(
        "byol",
        "BYOL",
        "Predicts the view that a slowly following copy of the network saw; no other images are pushed away.",
        "Grill et al. 2020, arXiv:2006.07733",
        (_hidden(4096), _projection(256), _predictor(4096), *_momentum(0.99, 1.0)),
        _own("lars", 1.0, 1e-5),
    ),
    MethodRow(
        "deepcluster_v2",
        "DeepCluster v2",
        "Predicts the cluster that the image was put in at the end of the epoch before.",
        "Caron et al. 2018, arXiv:1807.05520; Caron et al. 2020, arXiv:2006.09882",
        (
            _hidden(2048),
            _projection(128),
            _temperature(0.1),
            _prototypes(3000),
            _whole("prototype_sets", 3, "Clusterings that are predicted side by side.", 16),
        ),
        _own("lars", 0.6, 1e-6),
        {"name": "cosine", "warmup_epochs": 11, "warmup_lr": 0.0, "final_lr": 6.0e-04},
        "two or more",
    ),
    MethodRow(
        "dino",
        "DINO",
        "Predicts the sharpened, centred answer of a slowly following teacher.",
        "Caron et al. 2021, arXiv:2104.14294",
        (
            _hidden(2048),
            _projection(256),
            _temperature(0.1),
            _teacher_temperature(0.07),
            _prototypes(4096),
            _real("center_momentum", 0.9, "How slowly the centre of the teacher's answers moves.", 0.0, 1.0),
            *_momentum(0.9995, 1.0),
            _freeze(1),
        ),
        _own("lars", 0.3, 1e-6),
        views="two or more",
    ),
    MethodRow(
        "lejepa",
        "LeJEPA",
        "Brings all views to their middle while embeddings stay a round Gaussian cloud, looked at from many sides.",
        "Balestriero & LeCun 2025, arXiv:2511.08544",
        (
            _hidden(2048),
            _projection(128),
            _real("sigreg_weight", 0.05, "Weight of staying Gaussian against agreeing; the paper's lambda.", 0.0, 1.0),
            _whole("slices", 1024, "Directions that the embeddings are looked at from, new at every step.", 65_536),
        ),
        {"name": "adamw", "lr": 5e-4, "lr_scaling": "none", "weight_decay": 5e-4},
        views="two or more",
    ),
    MethodRow(
        "moco_v2_plus",
        "MoCo v2+",
        "Finds the other view of an image among earlier images, as a slowly following copy of the network saw them.",
        "Chen et al. 2020, arXiv:2003.04297",
        (_hidden(2048), _projection(256), _temperature(0.2), _queue(32_768), *_momentum(0.99, 0.999)),
        _own("sgd", 0.3, 1e-4),
    ),
    MethodRow(
        "nnbyol",
        "NNBYOL",
        "As BYOL, but predicts the nearest earlier image instead of the view itself.",
        "Dwibedi et al. 2021, arXiv:2104.14548; Grill et al. 2020, arXiv:2006.07733",
        (_hidden(4096), _projection(256), _predictor(4096), _queue(65_536), *_momentum(0.99, 1.0)),
        _own("lars", 1.0, 1e-5),
    ),
    MethodRow(
        "nnclr",
        "NNCLR",
        "As SimCLR, with the nearest earlier image in the place of one view.",
        "Dwibedi et al. 2021, arXiv:2104.14548",
        (_hidden(2048), _projection(256), _predictor(4096), _temperature(0.2), _queue(65_536)),
        _own("lars", 0.4, 1e-5),
    ),
    MethodRow(
        "ressl",
        "ReSSL",
        "Keeps the similarities of a weakly changed view to a queue of earlier images under strong changes.",
        "Zheng et al. 2021, arXiv:2107.09282",
        (
            _hidden(4096),
            _projection(256),
            _temperature(0.1),
            _teacher_temperature(0.04),
            _queue(65_536),
            *_momentum(0.99, 1.0),
        ),
        _own("sgd", 0.05, 1e-4),
    ),
    MethodRow(
        "simclr",
        "SimCLR",
        "Finds the other view of an image among all other images of the batch.",
        "Chen et al. 2020, arXiv:2002.05709",
        (_hidden(2048), _projection(256), _temperature(0.2)),
        _own("lars", 0.4, 1e-4),
    ),
    MethodRow(
        "simsiam",
        "SimSiam",
        "Predicts one view from the other with one network; only the predictor keeps it from collapsing.",
        "Chen & He 2021, arXiv:2011.10566",
        (_hidden(2048), _projection(2048), _predictor(512)),
        _own("sgd", 0.5, 1e-5),
    ),
    MethodRow(
        "swav",
        "SwAV",
        "Predicts the assignment of one view to prototypes from the other view, with assignments kept balanced.",
        "Caron et al. 2020, arXiv:2006.09882",
        (
            _hidden(2048),
            _projection(128),
            _temperature(0.1),
            _prototypes(3000),
            _queue(3840),
            _whole("queue_from_epoch", 50, "Epoch from which the queue is used.", 1_000_000, 0),
            _whole("sinkhorn_iterations", 3, "Rounds of balancing.", 100),
            _real("sinkhorn_epsilon", 0.05, "Softness of the balancing.", 0.001, 10.0),
            _freeze(2),
        ),
        _own("lars", 0.6, 1e-6),
        views="two or more",
        queue_multiple=False,
    ),
    MethodRow(
        "vibcreg",
        "VIbCReg",
        "As VICReg, with whitened projections and correlations in the place of covariances.",
        "Lee & Aune 2021, arXiv:2109.00783",
        (
            _hidden(2048),
            _projection(2048),
            *_vic(200.0),
            _whole(
                "whitening_groups",
                64,
                "Groups of dimensions that are whitened together; divides the projection's width.",
                65_536,
            ),
            _whole("whitening_iterations", 5, "Rounds of whitening.", 100),
        ),
        _own("lars", 0.3, 1e-4),
    ),
    MethodRow(
        "vicreg",
        "VICReg",
        "Brings two views together while every dimension stays spread and unrelated to the others.",
        "Bardes et al. 2022, arXiv:2105.04906",
        (_hidden(2048), _projection(2048), *_vic(1.0)),
        _own("lars", 0.3, 1e-4),
    ),
    MethodRow(
        "w_mse",
        "W-MSE",
        "Brings two whitened views together; whitening leaves them no way to become one point.",
        "Ermolov et al. 2021, arXiv:2007.06346",
        (
            _hidden(1024),
            _projection(64),
            _whole(
                "whitening_size",
                128,
                "Images that are whitened together: a divisor of the batch above the projection's width.",
            ),
            _whole("whitening_draws", 1, "Ways to cut the batch into such groups at each step.", 64),
        ),
        {"name": "adam", "lr": 3e-3, "lr_scaling": "none", "weight_decay": 1e-6},
    ),
)

METHODS: dict[str, MethodRow] = {row.name: row for row in _ROWS}

PRETRAINED = MethodRow(
    "pretrained",
    "no training",
    "Takes the network as it comes: with weights from ImageNet or from a file of yours, or none.",
    "",
    (),
    _own("sgd", 0.1, 0.0),
    views="any",
    queue_multiple=False,
)
"""Not a method: an encoder from elsewhere that is evaluated and explored like one's own. Its runs have 0 epochs."""


class BankParameter(Parameter):
    """A feature bank: one of the table's, a backbone, `timm/NAME` or `run:ID`."""

    def check(self, value: Any, where: str) -> Any:
        """The name. Raises SpecError for one that there is not."""
        return check_bank(value, where)


SPECTRAL = MethodRow(
    "spectral",
    "Spectral (solved, not trained)",
    "Solves in closed form for the directions of fixed features that the views of an image have in common: no epochs, "
    "no GPU, seconds to minutes.",
    "HaoChen et al. 2021, arXiv:2106.04156; Simon et al. 2023, arXiv:2303.15438; Johnson et al. 2022, arXiv:2210.01883",
    (
        BankParameter("bank", "choice", BANK, "Fixed network whose outputs are combined.", options=tuple(BANKS)),
        _real("mu", 0.01, "Small keeps what views share most; large keeps what also varies most.", 1e-6, 1e6, 0.001),
        _whole("dim", 32, "Numbers of the embedding.", 4096),
        _real("power", 1.0, "How much directions that are kept better count for more; 0 not at all.", 0.0, 4.0, 0.1),
        _whole("views", 4, "Views of each image.", 32, 2),
    ),
    _own("sgd", 0.1, 0.0),
    views="any",
    queue_multiple=False,
)
"""Not trained but solved: `learning.closed_form`. Its runs have 0 epochs; its backbone is its feature bank."""

UNTRAINED = {row.name: row for row in (PRETRAINED, SPECTRAL)}


def method_row(name: str) -> MethodRow:
    """The row of a method, or of `UNTRAINED`."""
    return UNTRAINED[name] if name in UNTRAINED else METHODS[name]
