"""Layouts of public collections, and tables of other programs, made again in small, with the right values."""

import json
from pathlib import Path

import numpy as np
import pytest

from ssrl_core.datasets.importing import ImportOptions, import_source, understand
from ssrl_core.errors import SpecError
from tests.datasets.files import picture, save


def _images(root: Path, *names: str, side: int = 8) -> None:
    for seed, name in enumerate(names):
        save(root / name, picture(side, side, seed=seed))


def _in(folder: str, count: int, start: int = 0, suffix: str = ".png") -> list[str]:
    return [f"{folder}/{folder.replace('/', '_')}_{i}{suffix}" for i in range(start, start + count)]


def _imagenet(root):
    for split in ("train", "val"):
        _images(
            root, *_in(f"ILSVRC/Data/CLS-LOC/{split}/n01440764", 6), *_in(f"ILSVRC/Data/CLS-LOC/{split}/n01443537", 6)
        )
    _images(root, *[f"ILSVRC/Data/CLS-LOC/test/ILSVRC2012_test_{i}.png" for i in range(3)])
    (root / "LOC_synset_mapping.txt").write_text("n01440764 tench, Tinca tinca\nn01443537 goldfish\n")
    (root / "LOC_sample_submission.csv").write_text("ImageId,PredictionString\n")
    (root / "ILSVRC/ImageSets/CLS-LOC").mkdir(parents=True)
    (root / "ILSVRC/ImageSets/CLS-LOC/train_cls.txt").write_text("n01440764/n01440764_1 1\n")


def _imagenet_val_flat(root):
    """As it comes from the competition: the labels of val lie in a table."""
    base = "ILSVRC/Data/CLS-LOC"
    _images(root, *_in(f"{base}/train/n01", 8, suffix=".jpeg"), *_in(f"{base}/train/n02", 8, suffix=".jpeg"))
    names = [f"ILSVRC2012_val_{i:08d}" for i in range(1, 7)]
    _images(root, *[f"{base}/val/{name}.jpeg" for name in names])
    rows = [f"{name},n0{1 + i % 2} 85 1 499 272" for i, name in enumerate(names)]
    (root / "LOC_val_solution.csv").write_text("ImageId,PredictionString\n" + "\n".join(rows) + "\n")


def _tiny_imagenet(root):
    for wnid in ("n01", "n02"):
        _images(root, *[f"train/{wnid}/images/{wnid}_{i}.JPEG" for i in range(6)])
        (root / f"train/{wnid}/{wnid}_boxes.txt").write_text(
            "\n".join(f"{wnid}_{i}.JPEG\t0\t0\t62\t62" for i in range(6))
        )
    _images(root, *[f"val/images/val_{i}.JPEG" for i in range(4)], *[f"test/images/test_{i}.JPEG" for i in range(3)])
    (root / "val/val_annotations.txt").write_text(
        "\n".join(f"val_{i}.JPEG\tn0{1 + i % 2}\t0\t0\t62\t62" for i in range(4)) + "\n"
    )
    (root / "wnids.txt").write_text("n01\nn02\n")
    (root / "words.txt").write_text("n01\ttench\nn02\tgoldfish\nn03\tother\n")


def _intel(root):
    for split in ("train", "test"):
        _images(root, *[f"seg_{split}/seg_{split}/{c}/{i}.jpg" for c in ("sea", "glacier") for i in range(5)])
    _images(root, *[f"seg_pred/seg_pred/{i}.jpg" for i in range(3)])


def _roboflow(root):
    for split, names in {"train": "abcdefgh", "valid": "ij", "test": "kl"}.items():
        _images(root, *[f"{split}/{n}_jpg.rf.{n * 4}.jpg" for n in names])
        rows = [f"{n}_jpg.rf.{n * 4}.jpg, {int(i % 2 == 0)}, {int(i % 2)}" for i, n in enumerate(names)]
        (root / split / "_classes.csv").write_text("filename, ripe, rotten\n" + "\n".join(rows) + "\n")
    (root / "README.roboflow.txt").write_text("Roboflow.com helps your team, and this is a text.\nIt is no table.\n")


def _fastai(root):
    for split in ("train", "val"):
        _images(root, *[f"{split}/{c}/{c}_{split}{i}.JPEG" for c in ("n01440764", "n02102040") for i in range(5)])
    rows = [
        f"{split}/{c}/{c}_{split}{i}.JPEG,{c},{'n02102040' if i == 0 else c},{split == 'val'}"
        for split in ("train", "val")
        for c in ("n01440764", "n02102040")
        for i in range(5)
    ]
    (root / "noisy_imagenette.csv").write_text(
        "path,noisy_labels_0,noisy_labels_50,is_valid\n" + "\n".join(rows) + "\n"
    )


def _fastai_table(root):
    """A table with is_valid, whose images lie in one folder."""
    _images(root, *[f"images/p{i}.jpg" for i in range(12)])
    rows = [f"p{i}.jpg,{'cat' if i % 2 else 'dog'},{i >= 9}" for i in range(12)]
    (root / "labels.csv").write_text("name,label,is_valid\n" + "\n".join(rows) + "\n")


def _ham10000(root):
    _images(root, *[f"HAM10000_images_part_1/ISIC_{i:07d}.jpg" for i in range(6)])
    _images(root, *[f"HAM10000_images_part_2/ISIC_{i:07d}.jpg" for i in range(6, 12)])
    rows = [f"HAM_{i // 2:07d},ISIC_{i:07d},{'nv' if i % 3 else 'mel'},histo,{50 + i},male,back" for i in range(12)]
    (root / "HAM10000_metadata.csv").write_text(
        "lesion_id,image_id,dx,dx_type,age,sex,localization\n" + "\n".join(rows)
    )


def _isic(root):
    _images(root, *[f"ISIC_2019_Training_Input/ISIC_{i:07d}.jpg" for i in range(9)])
    rows = [f"ISIC_{i:07d}," + ",".join("1.0" if k == i % 3 else "0.0" for k in range(3)) for i in range(9)]
    (root / "ISIC_2019_Training_GroundTruth.csv").write_text("image,MEL,NV,BCC\n" + "\n".join(rows) + "\n")


def _chest(root):
    for split, n in {"train": 6, "test": 4, "val": 2}.items():
        _images(root, *[f"chest_xray/{split}/{c}/{c}{i}.jpeg" for c in ("NORMAL", "PNEUMONIA") for i in range(n)])
    _images(root, *[f"chest_xray/__MACOSX/chest_xray/train/NORMAL/._x{i}.jpeg" for i in range(2)])


def _eurosat(root):
    _images(root, *[f"EuroSAT_RGB/{c}/{c}_{i}.jpg" for c in ("Forest", "River") for i in range(1, 6)])


def _eurosat_tables(root):
    _eurosat(root)
    names = [f"{c}/{c}_{i}.jpg" for c in ("Forest", "River") for i in range(1, 6)]
    splits = {"train": names[:3] + names[5:8], "test": [names[3], names[8]], "validation": [names[4], names[9]]}
    for split, chosen in splits.items():
        rows = [f"{i},{name},{int('River' in name)},{name.split('/')[0]}" for i, name in enumerate(chosen)]
        (root / "EuroSAT_RGB" / f"{split}.csv").write_text(",Filename,Label,ClassName\n" + "\n".join(rows) + "\n")
    (root / "EuroSAT_RGB" / "label_map.json").write_text("{}")


def _wild(root):
    """Absolute paths of the machine that made the table."""
    _images(root, *[f"images/cam{i}.jpg" for i in range(8)])
    rows = [f"/home/ann/iwildcam/train/cam{i}.jpg,{'puma' if i % 2 else 'empty'},{3 + i % 4:02d}" for i in range(8)]
    (root / "metadata.csv").write_text("path,species,location_id\n" + "\n".join(rows) + "\n")


def _mvtec(root):
    """The class stands above the split; masks lie beside."""
    for c in ("bottle", "cable"):
        _images(root, *[f"{c}/train/good/{i:03d}.png" for i in range(5)])
        _images(root, *[f"{c}/test/good/{i:03d}.png" for i in range(2)])
        _images(root, *[f"{c}/test/broken/{i:03d}.png" for i in range(2)])
        _images(root, *[f"{c}/ground_truth/broken/{i:03d}_mask.png" for i in range(2)])


def _kaggle_train_csv(root):
    _images(root, *[f"train/{i:04x}.jpg" for i in range(10)], *[f"test/{i:04x}.jpg" for i in range(20, 26)])
    (root / "train.csv").write_text(
        "id,label\n" + "\n".join(f"{i:04x},{'boat' if i % 2 else 'ship'}" for i in range(10))
    )
    (root / "sample_submission.csv").write_text("id,label\n" + "\n".join(f"{i:04x},boat" for i in range(20, 26)))


def _medmnist_folders(root):
    """MedMNIST as images and a table without a head."""
    names = [f"train_{i}_{i % 2}.png" for i in range(6)]
    names += [*(f"val_{i}_0.png" for i in range(2)), *(f"test_{i}_1.png" for i in range(3))]
    _images(root, *[f"breastmnist/{name}" for name in names])
    rows = [f"{name.split('_')[0].upper()},{name},{name[-5]}" for name in names]
    (root / "breastmnist.csv").write_text("\n".join(rows) + "\n")


def _each(folder: str, classes: tuple[str, ...], count: int, suffix: str = ".jpg") -> list[str]:
    return [f"{folder}/{c}/{c}_{i}{suffix}".lstrip("/") for c in classes for i in range(count)]


def _cats_and_dogs(root):
    """The class is how a name begins."""
    _images(
        root, *[f"train/{c}.{i}.jpg" for c in ("cat", "dog") for i in range(6)], *[f"test1/{i}.jpg" for i in (1, 2)]
    )


def _plant_village(root):
    _images(
        root, *[n for way in ("color", "grayscale", "segmented") for n in _each(f"plants/{way}", ("rot", "rust"), 2)]
    )


def _plant_diseases(root):
    """Splits lie deep, and loose images of another split beside them."""
    base = "New Diseases(Augmented)/New Diseases(Augmented)"
    _images(root, *[n for split in ("train", "valid") for n in _each(f"{base}/{split}", ("rot", "rust"), 3)])
    _images(root, *[f"test/test/Rot{i}.jpg" for i in range(2)])


def _cub(root):
    names = _each("", ("001.Albatross", "002.Auklet"), 6)
    _images(root, *[f"CUB_200_2011/images/{name}" for name in names])
    (root / "CUB_200_2011/images.txt").write_text("".join(f"{i} {name}\n" for i, name in enumerate(names, 1)))
    (root / "CUB_200_2011/train_test_split.txt").write_text("".join(f"{i + 1} {int(i % 3 > 0)}\n" for i in range(12)))
    (root / "CUB_200_2011/bounding_boxes.txt").write_text("".join(f"{i + 1} 60.0 27.0 5.0 4.0\n" for i in range(12)))


def _food(root):
    _images(root, *[f"food-101/images/{c}/{i}.jpg" for c in ("pie", "sushi") for i in range(100, 108)])
    for split, numbers in (("train", range(100, 106)), ("test", range(106, 108))):
        (root / "food-101/meta").mkdir(exist_ok=True)
        lines = "".join(f"{c}/{i}\n" for c in ("pie", "sushi") for i in numbers)
        (root / f"food-101/meta/{split}.txt").write_text(lines)
    (root / "food-101/meta/classes.txt").write_text("pie\nsushi\n")


def _nih(root):
    """Splits in lists beside a table of findings; images in numbered folders."""
    names = [f"{i:08d}_000.png" for i in range(12)]
    _images(root, *[f"images_00{1 + i // 6}/images/{name}" for i, name in enumerate(names)])
    rows = [f"{n},{'No Finding' if i % 3 else 'Mass|Edema'},{i // 2}" for i, n in enumerate(names)]
    (root / "Data_Entry_2017.csv").write_text("Image Index,Finding Labels,Patient ID\n" + "\n".join(rows) + "\n")
    (root / "train_val_list.txt").write_text("\n".join(names[:9]))
    (root / "test_list.txt").write_text("\n".join(names[9:]))


def _pets(root):
    names = [f"{c}_{i}" for c in ("Abyssinian", "american_bulldog") for i in range(1, 6)]
    _images(root, *[f"images/{n}.jpg" for n in names], *[f"annotations/trimaps/{n}.png" for n in names])
    for name, last in (("trainval", "123"), ("test", "45")):
        lines = "".join(f"{n} 1 1 1\n" for n in names if n[-1] in last)
        (root / f"annotations/{name}.txt").write_text(lines)


def _chexpert(root):
    """The table writes the folder that the source is; patients are no classes."""
    head, rows = "Path,Sex,Edema\n", {"train": range(1, 7), "valid": range(7, 9)}
    for split, patients in rows.items():
        names = [f"{split}/patient{p:05d}/study1/view1_frontal.jpg" for p in patients]
        _images(root, *names)
        text = "".join(
            f"CheXpert-v1.0-small/{n},{'MF'[i % 2]},{['1.0', '', '-1.0'][i % 3]}\n" for i, n in enumerate(names)
        )
        (root / f"{split}.csv").write_text(head + text)


def _breakhis(root):
    base = "BreaKHis_v1/histology_slides/breast"
    kinds = [
        (c, t, p, m) for c, t in (("benign", "adenosis"), ("malignant", "papillary")) for p in "AB" for m in (40, 100)
    ]
    _images(
        root, *[f"{base}/{c}/SOB/{t}/SOB_{p}/{m}X/SOB_{c[0]}-{p}-{m}-00{i}.png" for c, t, p, m in kinds for i in (1, 2)]
    )


def _galaxies(root):
    _images(root, *[f"images_training/{i}.jpg" for i in range(100008, 100016)])
    rows = [f"{i},{i % 2},0.6" for i in range(100008, 100016)]
    (root / "solutions.csv").write_text("GalaxyID,morphology_class,Class1.2\n" + "\n".join(rows) + "\n")


def _malaria(root):
    """The archive holds the same folders twice."""
    _images(
        root, *_each("cell_images", ("Infected", "Free"), 3), *_each("cell_images/cell_images", ("Infected", "Free"), 3)
    )


def _cars(root):
    """Folders say class and split; lists without a head say boxes and numbers."""
    rows = {
        s: [(c, f"{c}_{s}{i}.jpg") for c in ("Acura", "BMW") for i in range(n)] for s, n in (("train", 4), ("test", 2))
    }
    for split, names in rows.items():
        _images(root, *[f"car_data/car_data/{split}/{c}/{n}" for c, n in names])
        text = "\n".join(f"{n},39,116,{1 + (c == 'BMW')}" for c, n in names)
        (root / f"anno_{split}.csv").write_text(text)


def _aircraft(root):
    """Lists without a head, of names without an ending."""
    names = [f"{i * 1111:07d}" for i in range(8)]
    _images(root, *[f"data/images/{n}.jpg" for n in names])
    for split, places in (("train", range(6)), ("test", range(6, 8))):
        text = "\n".join(f"{names[i]} {'707' if i % 2 else 'A320'}" for i in places)
        (root / f"data/images_variant_{split}.txt").write_text(text)


def _gtsrb(root):
    """Tables of both splits name the class; folders only of one."""
    rows = {
        "Train": [(c, f"Train/{c}/{i}.png") for c in (0, 1) for i in range(4)],
        "Test": [(i % 2, f"Test/{i}.png") for i in range(4)],
    }
    for split, names in rows.items():
        _images(root, *[n for _, n in names])
        (root / f"{split}.csv").write_text("Width,ClassId,Path\n" + "\n".join(f"8,{c},{n}" for c, n in names))


def _labels_and_splits(root, other="filename,set\n", words=("train", "test")):
    """Labels in one table, splits in another."""
    names = [f"{i:03d}.png" for i in range(10)]
    _images(root, *[f"img/{n}" for n in names])
    (root / "labels.csv").write_text("filename,label\n" + "\n".join(f"{n},{'ab'[i % 2]}" for i, n in enumerate(names)))
    (root / "splits.csv").write_text(other + "\n".join(f"{n},{words[i > 7]}" for i, n in enumerate(names)))


def _masks(root):
    """Masks beside the images, in the folder and in one beside it."""
    _images(
        root,
        *[
            f"{s}/{c}/{k}/{c}{i}.png"
            for s in ("Train", "Test")
            for c in "ab"
            for k in ("images", "lung masks")
            for i in range(3)
        ],
    )
    _images(root, *[f"Train/{c}/images/{c}{i}_mask.png" for c in "ab" for i in range(3)])


def _two(first: str, other: str, classes: tuple[str, str] = ("cat", "dog")):
    """Two folders of the same two: three images of each in the first, two in the other."""
    return lambda root: _images(root, *_each(first, classes, 3), *_each(other, classes, 2))


#  name -> maker, {class: {split: n}} or None, label, further facts
_S = {"train": 6, "val": 6}
COLLECTIONS = {
    "imagenet": (_imagenet, {"n01440764": _S, "n01443537": _S, "": {"test": 3}}),
    "imagenet-val-flat": (_imagenet_val_flat, {"n01": {"train": 8, "val": 3}, "n02": {"train": 8, "val": 3}}),
    "tiny-imagenet": (_tiny_imagenet, {"n01": {"train": 6, "val": 2}, "n02": {"train": 6, "val": 2}, "": {"test": 3}}),
    "intel": (_intel, {"glacier": {"train": 5, "test": 5}, "sea": {"train": 5, "test": 5}}),
    "roboflow": (_roboflow, {"ripe": {"train": 4, "val": 1, "test": 1}, "rotten": {"train": 4, "val": 1, "test": 1}}),
    "fastai": (_fastai, {"n01440764": {"train": 5, "val": 5}, "n02102040": {"train": 5, "val": 5}}),
    "fastai-table": (_fastai_table, {"cat": {"train": 4, "val": 2}, "dog": {"train": 5, "val": 1}}),
    "ham10000": (_ham10000, {"mel": {"": 4}, "nv": {"": 8}}),
    "isic": (_isic, {"BCC": {"": 3}, "MEL": {"": 3}, "NV": {"": 3}}),
    "chest": (_chest, {c: {"train": 6, "test": 4, "val": 2} for c in ("NORMAL", "PNEUMONIA")}),
    "eurosat": (_eurosat, {"Forest": {"": 5}, "River": {"": 5}}),
    "eurosat-tables": (_eurosat_tables, {c: {"train": 3, "test": 1, "val": 1} for c in ("Forest", "River")}),
    "wild": (_wild, {"empty": {"": 4}, "puma": {"": 4}}),
    "mvtec": (_mvtec, {c: {"train": 5, "test": 4} for c in ("bottle", "cable")}),
    "kaggle-train-csv": (_kaggle_train_csv, {"boat": {"": 5}, "ship": {"": 5}}),
    "cats-and-dogs": (_cats_and_dogs, {"cat": {"train": 6}, "dog": {"train": 6}, "": {"test": 2}}),
    "plant-village": (_plant_village, {"rot": {"": 6}, "rust": {"": 6}}),
    "plant-diseases": (_plant_diseases, {"rot": {"train": 3, "val": 3}, "rust": {"train": 3, "val": 3}}),
    "cub-200": (_cub, {c: {"train": 4, "test": 2} for c in ("001.Albatross", "002.Auklet")}),
    "food-101": (_food, {c: {"train": 6, "test": 2} for c in ("pie", "sushi")}),
    "nih": (_nih, {"Mass|Edema": {"train": 3, "test": 1}, "No Finding": {"train": 6, "test": 2}}),
    "pets": (_pets, {c: {"train": 3, "test": 2} for c in ("Abyssinian", "american_bulldog")}),
    "chexpert": (_chexpert, {"": {"train": 6, "val": 2}}),
    "breakhis": (_breakhis, {"benign": {"": 8}, "malignant": {"": 8}}),
    "galaxies": (_galaxies, {"0": {"": 4}, "1": {"": 4}}),
    "malaria": (_malaria, {"Free": {"": 6}, "Infected": {"": 6}}),
    "folds": (
        lambda r: _images(r, *[n for f in (1, 2) for n in _each(f"fold{f}", ("a", "b"), 3)]),
        {"a": {"": 6}, "b": {"": 6}},
    ),
    "cars": (_cars, {c: {"train": 4, "test": 2} for c in ("Acura", "BMW")}),
    "aircraft": (_aircraft, {c: {"train": 3, "test": 1} for c in ("707", "A320")}),
    "gtsrb": (_gtsrb, {c: {"train": 4, "test": 2} for c in "01"}),
    "labels-and-splits": (_labels_and_splits, {c: {"train": 4, "test": 1} for c in "ab"}),
    "celeba": (
        lambda r: _labels_and_splits(r, "filename,partition\n", "02"),
        {c: {"train": 4, "test": 1} for c in "ab"},
    ),
    "fer": (
        lambda r: _labels_and_splits(r, "filename,Usage\n", ("Training", "PublicTest")),
        {c: {"train": 4, "val": 1} for c in "ab"},
    ),
    "masks": (_masks, {c: {"train": 3, "test": 3} for c in "ab"}),
    "kather": (_two("NCT-CRC-HE-100K", "CRC-VAL-HE-7K"), {c: {"train": 3, "val": 2} for c in ("cat", "dog")}),
    "inaturalist": (_two("train_mini", "val"), {c: {"train": 3, "val": 2} for c in ("cat", "dog")}),
    "held-out": (_two("train", "heldout"), {c: {"train": 3, "test": 2} for c in ("cat", "dog")}),
    "domains": (_two("art_painting", "photo"), {c: {"": 5} for c in ("cat", "dog")}),
    "days": (_two("2024-03-01", "2024-03-08"), {c: {"": 5} for c in ("cat", "dog")}),
    "medmnist-folders": (_medmnist_folders, {"0": {"train": 3, "val": 2}, "1": {"train": 3, "test": 3}}),
}


@pytest.mark.parametrize("name", COLLECTIONS)
def test_collections_come_in_with_their_classes_and_splits(tmp_path, name):
    make, counts = COLLECTIONS[name]
    make(tmp_path / "set")
    understood = understand(tmp_path / "set")
    assert understood.counts == counts, json.dumps(understood.as_json(), indent=1, default=str)
    made = import_source(tmp_path / "set", f"{name}-in")
    assert [c or "" for c in understood.counts if c] == list(made.classes)


_NAMES = [f"{i}.png" for i in range(4)]
TABLES = {
    "cellprofiler": (
        "ImageNumber,Image_FileName_DNA,Image_Metadata_Plate,Image_Metadata_Well,Image_Count_Nuclei,Image_Metadata_Dose\n"
        + "\n".join(f"{i + 1},{n},0{i}12,B0{i + 2},{10 + i},{i}e-1" for i, n in enumerate(_NAMES)),
        "utf-8",
        {"Image_Metadata_Plate": ["0012", "0112", "0212", "0312"], "Image_Metadata_Well": ["B02", "B03", "B04", "B05"]},
    ),
    "knime": (
        '"row ID","File","Well","Mean"\n' + "\n".join(f'"Row{i}","{n}","A{i + 1}",{i}.5' for i, n in enumerate(_NAMES)),
        "utf-8",
        {"row ID": ["Row0", "Row1", "Row2", "Row3"], "Mean": [0.5, 1.5, 2.5, 3.5]},
    ),
    "excel-german": (
        "sep=;\r\nDatei;Größe, µm;Anzahl;Substanz\r\n"
        + "".join(f"{n};{i},5;{i + 1}.250,75;Zelle {i}\r\n" for i, n in enumerate(_NAMES)),
        "utf-16",
        {"Größe, µm": [0.5, 1.5, 2.5, 3.5], "Anzahl": [1250.75, 2250.75, 3250.75, 4250.75]},
    ),
    "excel-french": (
        "Fichier;Dose (µM);Répétition\r\n" + "".join(f"{n};{i},25;n°{i}\r\n" for i, n in enumerate(_NAMES)),
        "cp1252",
        {"dose": [0.25, 1.25, 2.25, 3.25], "dose_unit": ["µM"] * 4, "Répétition": ["n°0", "n°1", "n°2", "n°3"]},
    ),
    "excel-bom": (
        "\ufefffile,barcode\n" + "\n".join(f"{n},00{i}7" for i, n in enumerate(_NAMES)),
        "utf-8",
        {"barcode": ["0007", "0017", "0027", "0037"]},
    ),
    "r-write-csv": (
        '"","file","group"\n' + "\n".join(f'"{i + 1}","{n}","{"ab"[i % 2]}"' for i, n in enumerate(_NAMES)),
        "utf-8",
        {"group": ["a", "b", "a", "b"], "row name": [1, 2, 3, 4]},
    ),
    "r-write-table": (
        '"file" "group" "size"\n' + "\n".join(f'"{i + 1}" "{n}" "{"ab"[i % 2]}" {i}.5' for i, n in enumerate(_NAMES)),
        "utf-8",
        {"group": ["a", "b", "a", "b"], "size": [0.5, 1.5, 2.5, 3.5]},
    ),
    "r-row-names-are-files": (
        "group,size\n" + "\n".join(f"{n},{'ab'[i % 2]},{i}.5" for i, n in enumerate(_NAMES)),
        "utf-8",
        {"group": ["a", "b", "a", "b"], "size": [0.5, 1.5, 2.5, 3.5]},
    ),
    "semicolons-with-commas-in-text": (
        "file;note;mean\n" + "\n".join(f"{n};first, second, third;{i},5" for i, n in enumerate(_NAMES)),
        "utf-8",
        {"note": ["first, second, third"] * 4, "mean": [0.5, 1.5, 2.5, 3.5]},
    ),
    "utf-16-without-mark": (
        "file\twell\r\n" + "".join(f"{n}\tC0{i}\r\n" for i, n in enumerate(_NAMES)),
        "utf-16-le",
        {"well": ["C00", "C01", "C02", "C03"]},
    ),
    "quoted-line-breaks": (
        'file,note\n' + "\n".join(f'{n},"line one\nline, two {i}"' for i, n in enumerate(_NAMES)),
        "utf-8",
        {"note": [f"line one\nline, two {i}" for i in range(4)]},
    ),
    "harmony": (
        "Database Name\tOpera\nPlate Name\tP1\nPopulation\tCells\n\n[Data]\nRow\tColumn\tArea [µm²]\tImage\n"
        + "\n".join(f"2\t{i + 2}\t{i}.25\t{n}" for i, n in enumerate(_NAMES)),
        "utf-8",
        {"Column": [2, 3, 4, 5], "Area [µm²]": [0.25, 1.25, 2.25, 3.25]},
    ),
    "a-title-above": (
        "Screen of May\n\nfile,size\n" + "\n".join(f"{n},{i}.5" for i, n in enumerate(_NAMES)),
        "utf-8",
        {"size": [0.5, 1.5, 2.5, 3.5]},
    ),
    "excel-czech": (
        "soubor;t\u0159\u00edda\r\n" + "".join(f"{n};ko\u010dka {i}\r\n" for i, n in enumerate(_NAMES)),
        "cp1250",
        {"t\u0159\u00edda": [f"ko\u010dka {i}" for i in range(4)]},
    ),
    "excel-chinese": (
        "file,\u7c7b\u522b\r\n" + "".join(f"{n},\u732b{i}\r\n" for i, n in enumerate(_NAMES)),
        "gbk",
        {"\u7c7b\u522b": [f"\u732b{i}" for i in range(4)]},
    ),
    "digits-as-text": (
        "file,code\n" + "\n".join(f'{n},="00{i}"' for i, n in enumerate(_NAMES)),
        "utf-8",
        {"code": ["000", "001", "002", "003"]},
    ),
    "cellprofiler-two-heads": (
        "Image,Image,Nuclei,Nuclei\nFileName_DNA,Metadata_Well,ObjectNumber,AreaShape_Area\n"
        + "\n".join(f"{n},B0{i + 2},{o},{i}.{o}" for i, n in enumerate(_NAMES) for o in (1, 2)),
        "utf-8",
        {"Image_Metadata_Well": ["B02", "B03", "B04", "B05"]},
    ),
    "merged-cells-above": (
        ";Nuclei;;Cells;\nDatei;Area;Count;Area;Count\n"
        + "\n".join(f"{n};{i},5;{i};2{i},5;3" for i, n in enumerate(_NAMES)),
        "utf-8",
        {"Nuclei_Area": [0.5, 1.5, 2.5, 3.5], "Cells_Area": [20.5, 21.5, 22.5, 23.5]},
    ),
    "excel-errors": (
        "file;mean\n" + "".join(f"{n};{v}\n" for n, v in zip(_NAMES, ("0,5", "#N/A", "-", "#DIV/0!"), strict=True)),
        "utf-8",
        {"mean": [0.5, np.nan, np.nan, np.nan]},
    ),
    "german-doses": (
        "Datei;Wirkstoff;Konzentration [nM]\n" + "\n".join(f"{n};x;{i}00,5" for i, n in enumerate(_NAMES, 1)),
        "cp1252",
        {"dose": [100.5, 200.5, 300.5, 400.5], "dose_unit": ["nM"] * 4},
    ),
    "wells-written-in-three-ways": (
        "file,well\n" + "\n".join(f"{n},{w}" for n, w in zip(_NAMES, ("A1", "a01", "A01", "B2"), strict=True)),
        "utf-8",
        {"well": ["A01", "A01", "A01", "B02"], "well_as_written": ["A1", "a01", "A01", "B2"]},
    ),
    "comments-and-gaps": (
        "# exported by a scanner\n# 2024\nfile,mean,kind\n"
        + "\n".join(f"{n},{'NA' if i == 1 else i},None" for i, n in enumerate(_NAMES)),
        "utf-8",
        {"mean": [0.0, np.nan, 2.0, 3.0], "kind": ["None"] * 4},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_other_programs_come_in_as_they_were_written(tmp_path, name):
    text, encoding, columns = TABLES[name]
    _images(tmp_path, *_NAMES)
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    made = import_source(tmp_path, name)
    assert made.table["source"].tolist() == _NAMES
    for column, values in columns.items():
        np.testing.assert_array_equal(made.table[column].tolist(), values, err_msg=column)


def test_every_guess_can_be_said_otherwise(tmp_path):
    every = [(b, c, i) for b in (1, 2) for c in ("cat", "dog") for i in range(4)]
    _images(tmp_path / "set", *[f"b{b}/{c}/b{b}{c}{i}.png" for b, c, i in every])
    rows = [f"b{b}/{c}/b{b}{c}{i}.png,{'x' if i else 'y'},{'test' if b == 2 else 'train'}" for b, c, i in every]
    (tmp_path / "set" / "t.csv").write_text("file,kind,fold\n" + "\n".join(rows) + "\n")

    def counts(**told):
        return understand(tmp_path / "set", ImportOptions(**told)).counts

    assert counts(table="none") == {"b1": {"": 8}, "b2": {"": 8}}
    assert counts(table="none", class_level=2) == {"cat": {"": 8}, "dog": {"": 8}}
    assert counts(table="none", class_level="none") == {"": {"": 16}}
    assert counts(label="kind", split="none") == {"x": {"": 12}, "y": {"": 4}}
    assert counts(label="kind") == {"x": {"train": 6, "test": 6}, "y": {"train": 2, "test": 2}}
    assert counts(class_level=2, split="fold") == {"cat": {"train": 4, "test": 4}, "dog": {"train": 4, "test": 4}}
    assert counts(label="none", split="none") == {"": {"": 16}}
    wrong = {
        "class_level": 3,
        "split": "batch",
        "table": "other.csv",
        "names_in": "name",
        "label": "sort",
        "pages": "all",
    }
    for bad in (*({key: value} for key, value in wrong.items()), {"channels": ["a"]}, {"split": 1, "table": "none"}):
        with pytest.raises(SpecError):
            counts(**bad)
