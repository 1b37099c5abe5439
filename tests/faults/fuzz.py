"""Fuzzes what reads files from elsewhere, guided by what is covered: `python -m tests.faults.fuzz --seconds 600`.

The first byte of an input says which reader takes the rest. A reader may refuse it in words (SSRLError); anything else
that it raises, a minute on one input, or more than 4 GB ends the run, and the input is kept in `--keep`. Inputs and
what they cover are counted by libFuzzer, behind atheris; decoders in C are not seen into.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

Reader = tuple[Callable[[bytes, Path], object], list[bytes]]


def readers(weights: bool = True) -> dict[str, Reader]:
    """Name -> what reads the bytes (it may use a folder), and some that are sound."""
    import numpy as np
    import tifffile
    from PIL import Image

    from ssrl_core import stores
    from ssrl_core.datasets.reading import image, ome, table
    from ssrl_core.datasets.reading.npz import NpzImages
    from ssrl_core.datasets.reading.source import FileTree, ZipTree
    from ssrl_core.datasets.reading.understanding import ImportOptions
    from ssrl_core.specs import exchange, wishes
    from ssrl_core.specs.composition import Composition, dump, load
    from ssrl_core.specs.run import RunSpec
    from ssrl_core.specs.sweep import SweepSpec
    from ssrl_core.specs.yaml_files import parse_yaml

    pixels = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)

    def file(name: str, data: bytes, folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    def saved(save: Callable[[Any], object]) -> bytes:
        content = io.BytesIO()
        save(content)
        return content.getvalue()

    def pictures(data: bytes, _: Path) -> None:
        image.facts(io.BytesIO(data))
        image.numbers(io.BytesIO(data))

    def archive(data: bytes, folder: Path) -> None:
        tree = ZipTree(file("a.zip", data, folder))
        for path in tree.files[:8]:
            try:
                tree.open(path)
            except OSError:
                continue  # "damaged in the zip": who reads the file says so
        tree.close()

    def arrays(data: bytes, folder: Path) -> None:
        reading = NpzImages(file("a.npz", data, folder), layout=None, label=None).read(ImportOptions(), lambda *_: None)
        for _piece in reading.pixels:
            pass

    def tables(data: bytes, folder: Path) -> None:
        table.read(FileTree([file("a.csv", data, folder)]), "a.csv")

    def parquet(data: bytes, folder: Path) -> None:
        table.read(FileTree([file("a.parquet", data, folder)]), "a.parquet")

    def metadata(data: bytes, folder: Path) -> None:
        text = data.decode("utf-8", "replace")
        ome.of_ome_xml(text)
        ome.axes_of_pages(text, folder / "a.tif", 12)
        list(ome.planes_in(text, folder / "a.tif"))

    def specs(data: bytes, _: Path) -> None:
        found = parse_yaml(data, "Spec")
        for read in (
            Composition.from_mapping,
            RunSpec.from_mapping,
            SweepSpec.from_mapping,
            wishes.Wishes.from_mapping,
        ):
            _in_words(lambda read=read: read(found))

    def foreign(data: bytes, _: Path) -> None:
        exchange.read(data.decode("utf-8", "replace"), "File", "opened")

    def array(data: bytes, folder: Path) -> None:
        stores.read_array(file("a.npy", data, folder))

    spec = {"dataset": "kit", "method": "simclr", "backbone": "tiny_cnn", "terms": "identity", "epochs": 1}
    found: dict[str, Reader] = {
        "pictures": (
            pictures,
            [saved(lambda f, k=k: Image.fromarray(pixels).save(f, k)) for k in ("PNG", "JPEG", "BMP", "WEBP", "PPM")]
            + [saved(lambda f: Image.fromarray(pixels).convert("P").save(f, "PNG"))]
            + [
                saved(lambda f, d=d: tifffile.imwrite(f, pixels.astype(d), photometric="rgb"))
                for d in ("u1", "u2", "f4")
            ]
            + [saved(lambda f: tifffile.imwrite(f, pixels[..., 0][None], ome=True))]
            + [saved(lambda f: tifffile.imwrite(f, pixels[None, None, ..., 0], imagej=True))],
        ),
        "archive": (archive, [saved(_zip)]),
        "arrays": (
            arrays,
            [saved(lambda f: np.savez(f, x=pixels[None].repeat(4, 0), y=np.arange(4), names=["a", "b"]))],
        ),
        "tables": (
            tables,
            [b"file,label,dose\na.png,x,1.5\nb.png,y,=2+2\n", b"sep=;\na;b\n1,5;0101\n", b"\xff\xfea\0,\0b\0"],
        ),
        "parquet": (parquet, [saved(_parquet)]),
        "metadata": (metadata, [OME.encode()]),
        "specs": (
            specs,
            [json.dumps(spec).encode(), dump(load("mnist-first-set")).encode(), WISHES.encode(), SWEEP.encode()],
        ),
        "foreign": (foreign, [b"- rrc: {enabled: true, crop_min_scale: 0.3}\n  crop_size: 16\n  num_crops: 2\n"]),
        "array": (array, [saved(lambda f: np.save(f, pixels))]),
    }
    if weights:
        from safetensors.numpy import save

        from ssrl_core.learning.backbones.weights import read_state

        def tensors(data: bytes, folder: Path) -> None:
            read_state(file("a.safetensors", data, folder), "tiny_cnn")

        found["tensors"] = (tensors, [save({"a": pixels.astype(np.float32)}, {"stem": "small"})])
    return found


OME = (
    '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels DimensionOrder="XYCZT" '
    'SizeC="2" SizeZ="3" SizeT="2" SizeX="8" SizeY="8" Type="uint8"><Channel Name="DNA" Color="-16776961"/>'
    '<TiffData FirstC="0" IFD="0" PlaneCount="12"><UUID FileName="a.tif">urn:uuid:1</UUID></TiffData>'
    "</Pixels></Image></OME>"
)
WISHES = "version: 1\ndataset: kit\nwishes: {classes: keep, area: ignore}\ncandidates: 4\nseed: 1\n"
SWEEP = (
    "dataset: kit\nmethod: simclr\nbackbone: tiny_cnn\nterms: identity\nseeds: [1]\nvary: {optimizer.lr: [0.1, 0.2]}\n"
)


def _zip(file: Any) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("cat/ä.png", b"x" * 90)
        made.writestr("b.csv", b"file\ncat/a.png\n")


def _parquet(file: Any) -> None:
    import pandas as pd

    pd.DataFrame({"file": ["a.png", "b.png"], "n": [1.5, None]}).to_parquet(file)


def _in_words(read: Callable[[], object]) -> None:
    from ssrl_core.errors import SSRLError

    try:
        read()
    except SSRLError:
        return


def main() -> None:
    """Fuzz until the time is over; libFuzzer ends the process, with 0 where nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--inputs", type=int, default=-1, help="so many at most; with a seed always the same")
    parser.add_argument("--seed", type=int, default=0, help="0 takes another one each time")
    parser.add_argument("--keep", default=tempfile.gettempdir(), help="where an input that is not taken is kept")
    parser.add_argument("--only", nargs="*", help="names of readers; left out, all")
    parser.add_argument("--brief", action="store_true", help="without the reader that needs torch")
    args = parser.parse_args()
    import atheris

    with atheris.instrument_imports(include=["ssrl_core.datasets.reading", "ssrl_core.specs", "tifffile"]):
        known = readers(weights=not args.brief)
    chosen = [known[name] for name in args.only or known]
    folder = Path(tempfile.mkdtemp(prefix="viewloom-fuzz-"))
    corpus, work = folder / "corpus", folder / "work"
    for place in (corpus, work):
        place.mkdir()
    for number, (_, seeds) in enumerate(chosen):
        for count, seed in enumerate(seeds):
            (corpus / f"{number}-{count}").write_bytes(bytes([number]) + seed)

    def one(data: bytes) -> None:
        if data:
            _in_words(lambda: chosen[data[0] % len(chosen)][0](data[1:], work))

    limits = ["-timeout=60", "-rss_limit_mb=4096", "-malloc_limit_mb=2048", "-max_len=16384", "-print_final_stats=1"]
    told = [
        f"-max_total_time={args.seconds}",
        f"-runs={args.inputs}",
        f"-seed={args.seed}",
        f"-artifact_prefix={args.keep}/",
        str(corpus),
    ]
    atheris.Setup([sys.argv[0], *limits, *told], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
