import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from unstir.data import decode, load
from unstir.data.decode import SUFFIXES
from unstir.data.images import read_folder

Refused = Callable[..., str]
Paint = Callable[..., Path]

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
COLOUR = np.stack([GREY, 255 - GREY, GREY // 2], axis=2)


def only(folder: Path) -> np.ndarray:
    """The one image of a folder, (h, w, c)."""
    dataset = read_folder(folder, "f")
    assert len(dataset) == 1
    return dataset.values[0].permute(1, 2, 0).numpy()


def test_natural_order_at_any_depth(tmp_path: Path, paint: Paint) -> None:
    for value, name in enumerate(["2.png", "10.png", "A1.png", "a02.PNG", "b/1.png", "c.png"]):
        paint(name, value)
    dataset = read_folder(tmp_path, "mine")
    assert dataset.values[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert dataset.values.shape == (6, 1, 3, 4)
    assert dataset.values.dtype == torch.uint8
    assert (dataset.name, dataset.labels, dataset.skipped) == ("mine", None, ())


def test_sub_folders_are_classes(tmp_path: Path, paint: Paint) -> None:
    for value, name in enumerate(["cat/1.png", "dog/1.png", "dog/old/2.png", "eel 9/1.png", "eel 10/1.png"]):
        paint(name, value)
    dataset = read_folder(tmp_path, "f")
    assert dataset.label_names == ("cat", "dog", "eel 9", "eel 10")
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [0, 1, 1, 2, 3]


def test_a_lone_folder_around_the_classes_is_no_class(tmp_path: Path, paint: Paint) -> None:
    for name in ("set/train/cat/1.png", "set/train/dog/1.png", "set/train/dog/old/2.png"):
        paint(name)
    assert read_folder(tmp_path, "f").label_names == ("cat", "dog")
    assert read_folder(tmp_path / "set" / "train" / "cat", "f").label_names == ()


def test_a_lone_class_is_one(tmp_path: Path, paint: Paint) -> None:
    paint("cat/1.png")
    paint("cat/2.png")
    assert read_folder(tmp_path, "f").label_names == ("cat",)


def test_one_image_outside_and_there_are_no_classes(tmp_path: Path, paint: Paint) -> None:
    paint("cat/1.png")
    paint("2.png")
    assert read_folder(tmp_path, "f").label_names == ()


def test_links_to_folders_are_followed_once(tmp_path: Path, paint: Paint) -> None:
    for name in ("far/cats/1.png", "far/dogs/1.png", "far/dogs/old/2.png", "pets/eel/1.png"):
        paint(name)
    pets = tmp_path / "pets"
    (pets / "cat").symlink_to(tmp_path / "far" / "cats")
    (pets / "dog").symlink_to("../far/dogs")
    (tmp_path / "far" / "dogs" / "back").symlink_to(pets)  # a loop
    dataset = read_folder(pets, "f")
    assert dataset.files == ("cat/1.png", "dog/1.png", "dog/old/2.png", "eel/1.png")
    assert dataset.label_names == ("cat", "dog", "eel")
    assert dataset.skipped == (f"{pets}/dog/back: leads to a folder that is read by another name",)
    # A folder itself comes before a link to it; what lies around all is not read at all.
    (pets / "a").symlink_to("eel")
    (pets / "up").symlink_to("..")
    again = read_folder(pets, "f")
    assert again.files == dataset.files
    assert set(again.skipped) - set(dataset.skipped) == {
        f"{pets}/a: leads to a folder that is read by another name",
        f"{pets}/up: leads to a folder around all of them",
    }
    assert load(pets / "cat").files == ("1.png",)  # given by a link itself


@pytest.mark.parametrize("suffix", [s for s in SUFFIXES if s not in (".jpg", ".jpeg", ".webp")])
def test_formats_without_loss(tmp_path: Path, paint: Paint, suffix: str) -> None:
    paint(f"x{suffix}", GREY)
    assert np.array_equal(only(tmp_path)[..., 0], GREY)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp"])
def test_formats_with_loss(tmp_path: Path, paint: Paint, suffix: str) -> None:
    paint(f"x{suffix}", np.full((3, 4, 3), (200, 100, 50), np.uint8))
    assert np.abs(only(tmp_path).astype(int) - (200, 100, 50)).max() <= 4


def test_one_colour_image_makes_all_of_them_rgb(tmp_path: Path, paint: Paint) -> None:
    paint("1.png", GREY)
    paint("2.png", COLOUR)
    values = read_folder(tmp_path, "f").values
    assert np.array_equal(values[0].permute(1, 2, 0).numpy(), np.repeat(GREY[..., None], 3, 2))
    assert np.array_equal(values[1].permute(1, 2, 0).numpy(), COLOUR)


def test_transparency_is_laid_on_white(tmp_path: Path, paint: Paint) -> None:
    alpha = np.array([[0, 255, 51, 0]] * 3, np.uint8)
    paint("x.png", np.dstack([COLOUR, alpha]))
    pixels = only(tmp_path)
    assert (pixels[:, [0, 3]] == 255).all()
    assert np.array_equal(pixels[:, 1], COLOUR[:, 1])
    assert np.abs(pixels[:, 2] - (0.2 * COLOUR[:, 2] + 0.8 * 255)).max() <= 1


def test_grey_with_transparency_stays_grey(tmp_path: Path, paint: Paint) -> None:
    paint("x.png", np.dstack([GREY, np.where(GREY > 100, 255, 0).astype(np.uint8)]))
    assert np.array_equal(only(tmp_path)[..., 0], np.where(GREY > 100, GREY, 255))


def test_a_transparent_colour_of_a_palette(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putdata([0, 1])
    image.save(tmp_path / "x.png", transparency=0)
    assert only(tmp_path).tolist() == [[[255, 255, 255], [0, 0, 255]]]


def test_palettes_are_grey_if_their_colours_are(tmp_path: Path, paint: Paint) -> None:
    paint("x.png", GREY, "P")
    assert np.array_equal(only(tmp_path)[..., 0], GREY)
    Image.fromarray(np.full((3, 4, 3), (0, 255, 0), np.uint8)).convert("P").save(tmp_path / "x.png")
    assert only(tmp_path).tolist() == [[[0, 255, 0]] * 4] * 3


def test_other_colour_spaces(tmp_path: Path, paint: Paint) -> None:
    paint("x.png", np.array([[0, 255]], np.uint8), "1")
    assert only(tmp_path).tolist() == [[[0], [255]]]
    (tmp_path / "x.png").unlink()
    paint("x.tif", np.full((3, 4, 3), (255, 0, 0), np.uint8), "CMYK")
    assert only(tmp_path).tolist() == [[[255, 0, 0]] * 4] * 3


def test_16_bits_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    deep = np.array([[0, 257, 1000, 32768, 65535]], dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "x.png")
    assert only(tmp_path)[0, :, 0].tolist() == [0, 1, 4, 128, 255]


def test_exif_turns_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    Image.fromarray(GREY).save(tmp_path / "x.png", exif=exif)
    assert np.array_equal(only(tmp_path)[..., 0], np.rot90(GREY, -1))


def test_the_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((3, 4), v, np.uint8)) for v in (10, 200)]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    assert (only(tmp_path) == 10).all()


def test_what_is_passed_by(tmp_path: Path, paint: Paint) -> None:
    paint("a.png")
    for name in (".hidden.png", ".git/b.png", "__MACOSX/c.png", "Thumbs.db", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"no image")
    assert len(read_folder(tmp_path, "f")) == 1


def test_an_empty_folder(tmp_path: Path, refused: Refused) -> None:
    assert f"{tmp_path} holds no images and no other files: give a place with .png, " in refused(
        read_folder, tmp_path, "f"
    )
    (tmp_path / "b.txt").touch()
    (tmp_path / "a.csv").touch()
    assert "holds no images but 2 other files, such as a.csv" in refused(read_folder, tmp_path, "f")


def spoil(tmp_path: Path, paint: Paint) -> None:
    for i in range(3):
        paint(f"good{i}.png", 10 * i)
    noise = np.random.default_rng(0).integers(256, size=(40, 40, 3), dtype=np.uint8)
    for suffix in ("png", "jpg", "bmp", "tif", "gif"):
        whole = paint(f"cut.{suffix}", noise).read_bytes()
        (tmp_path / f"cut.{suffix}").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "zero.jpg").touch()
    (tmp_path / "gone.png").symlink_to("nowhere")
    (tmp_path / "program.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 3\n%%EndComments\n"
    )
    Image.fromarray(GREY.astype(np.float32)).save(tmp_path / "float.tif")


BAD = {
    "cut.png": "", "cut.jpg": "truncated", "cut.bmp": "truncated", "cut.tif": "", "cut.gif": "truncated",
    "text.png": "not an image", "zero.jpg": "empty file", "gone.png": "no regular file",
    "program.png": "not an image", "float.tif": "32-bit pixels",
}  # fmt: skip


def test_every_bad_image_is_named(tmp_path: Path, paint: Paint, refused: Refused) -> None:
    spoil(tmp_path, paint)
    message = refused(read_folder, tmp_path, "f")
    assert message.startswith(f"{tmp_path}: cannot read 10 of 13 images: ")
    assert message.endswith(": remove or mend them, or pass over them with --skip-bad")
    for name, why in BAD.items():
        assert f"{name} (" in message
        assert why in message.split(f"{name} (")[1].split(")")[0]
    assert "good" not in message


def test_bad_images_are_passed_over_on_request(tmp_path: Path, paint: Paint) -> None:
    spoil(tmp_path, paint)
    dataset = read_folder(tmp_path, "f", skip_bad=True)
    assert dataset.values[:, 0, 0, 0].tolist() == [0, 10, 20]
    assert sorted(item.split(": ")[0] for item in dataset.skipped) == sorted(str(tmp_path / b) for b in BAD)
    assert all(item.split(": ", 1)[1] for item in dataset.skipped)


def test_nothing_but_bad_images(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "a.png").write_text("hello")
    for skip_bad in (False, True):
        message = refused(read_folder, tmp_path, "f", skip_bad)
        assert "cannot read 1 of 1 image: a.png (not an image): give images that can be read" in message


def test_mixed_sizes(tmp_path: Path, paint: Paint, refused: Refused) -> None:
    for name in ("a", "b", "d", "e"):
        paint(f"{name}.png")
    paint("c/x.png", size=(5, 3))
    paint("z.png", size=(4, 4))
    message = refused(read_folder, tmp_path, "f")
    assert message == (
        f"{tmp_path} mixes images of 3 sizes: 4 of 4x3 (first a.png), 1 of 5x3 (first c/x.png), "
        f"1 of 4x4 (first z.png): give {tmp_path}:size=8, and each is cropped to a square and scaled; or "
        "make them one size yourself"
    )


@pytest.mark.parametrize(("least", "suggested"), [(5, 8), (28, 28), (30, 28), (33, 32), (900, 32)])
def test_the_size_that_mixed_images_are_told_leads_on(
    tmp_path: Path, paint: Paint, refused: Refused, least: int, suggested: int
) -> None:
    paint("my pictures/a.png", size=(1000, least))
    paint("my pictures/b.jpg", size=(1000, 1000))
    place = tmp_path / "my pictures"
    told = re.search(r"give (.*), and each is cropped", refused(load, f"{place}/"))
    assert told is not None
    assert told[1] == f"{place}:size={suggested}"
    assert load(told[1]).shape == (1, suggested, suggested)


def test_a_turned_image_has_its_upright_size(tmp_path: Path, paint: Paint, refused: Refused) -> None:
    paint("a.png", size=(4, 3))
    paint("b.png", size=(3, 3))
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(GREY).save(tmp_path / "c.png", exif=exif)
    assert "1 of 3x4 (first c.png)" in refused(read_folder, tmp_path, "f")


def test_megapixels(tmp_path: Path, paint: Paint, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    paint("a.png", size=(20, 10))
    paint("b.png", size=(4, 3))
    monkeypatch.setattr(decode, "MAX_PIXELS", 100)
    assert "cannot read 1 of 2 images: a.png (20x10 pixels are above the limit" in refused(
        read_folder, tmp_path, "f"
    )


@pytest.mark.parametrize(("width", "height"), [(9000, 9000), (11000, 11000), (60000, 60000)])
def test_bombs_are_never_unpacked(tmp_path: Path, refused: Refused, width: int, height: int) -> None:
    # A bitmap that promises more pixels than our limit, Pillow's warning, and Pillow's error.
    (tmp_path / "a.bmp").write_bytes(bmp_header(width, height))
    assert "above the limit of 64 megapixels" in refused(read_folder, tmp_path, "f")


def bmp_header(width: int, height: int) -> bytes:
    return struct.pack("<2sIII IIIHH 24x", b"BM", 54, 0, 54, 40, width, height, 1, 24)


def test_more_than_the_memory(
    tmp_path: Path, paint: Paint, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(10):
        paint(f"{i}.png", size=(10, 10))
    monkeypatch.setattr("unstir.data.limits.physical_memory", lambda: 999)
    assert "with 10 images needs 1000 bytes" in refused(read_folder, tmp_path, "f")


def test_names_that_break_lines(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "a\nb.png").touch()
    assert r"a\nb.png" in refused(read_folder, tmp_path, "f")
    (tmp_path / "a\nb.png").rename(tmp_path / "\udcff.png")
    assert r"\udcff.png" in refused(read_folder, tmp_path, "f")


def test_a_size_crops_the_square_at_the_centre_and_scales_it(tmp_path: Path, paint: Paint) -> None:
    wide, tall = np.zeros((20, 60, 3), dtype=np.uint8), np.zeros((60, 20), dtype=np.uint8)
    wide[:, 20:30], wide[:, 30:40] = 200, 100  # the square is half one, half the other
    tall[20:30], tall[30:40] = 200, 100
    paint("1.png", wide)
    paint("2.png", tall)
    values = read_folder(tmp_path, "f", size=4).values
    assert values.shape == (2, 3, 4, 4)
    assert torch.equal(values[0].transpose(1, 2), values[1])
    columns = values[0, 0].float().mean(0)
    assert abs(columns[0] - 200) < 20
    assert abs(columns[3] - 100) < 20
    assert abs(columns[1:3].mean() - 150) < 4


def test_a_size_keeps_images_that_have_it(tmp_path: Path, paint: Paint) -> None:
    noise = np.random.default_rng(0).integers(256, size=(8, 8, 3), dtype=np.uint8)
    paint("1.png", noise)
    assert torch.equal(read_folder(tmp_path, "f", size=8).values, read_folder(tmp_path, "f").values)


def test_a_size_of_large_turned_and_deep_images(tmp_path: Path, paint: Paint) -> None:
    # A JPEG is unpacked at a fraction of its size; the mean colour of the square is the same.
    ramp = np.tile(np.linspace(0, 255, 320, dtype=np.uint8), (320, 1))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.fromarray(ramp).save(tmp_path / "1.jpg", quality=95, exif=exif)
    paint("2.png", np.ascontiguousarray(ramp.T))
    Image.fromarray(np.ascontiguousarray(ramp.T).astype(np.uint16) * 257).save(tmp_path / "3.png")
    values = read_folder(tmp_path, "f", size=10).values.int()
    assert values.shape == (3, 1, 10, 10)
    assert (values - values[1]).abs().max() <= 3
