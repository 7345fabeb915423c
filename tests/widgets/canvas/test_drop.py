"""Pictures dragged onto the canvas, dropped, pasted, and what they become."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QByteArray, QMimeData, QPoint, QPointF, QRect, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDragMoveEvent, QDropEvent, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from editor.document.document import Document
from editor.errors import UnreadableFile
from editor.geometry import Placement, Point, Rect, Size
from editor.io.images import Picture
from editor.io.mask_pictures import mask_of
from tests.support.canvas_driver import LEFT, NONE, Easel, noise
from widgets.canvas.drop import DropChip, Dropper
from widgets.canvas.drop_choices import placement, side_by_side, title, with_layer
from widgets.controls.icons import IconButton
from widgets.incoming import files_of
from widgets.qimage import to_qimage
from widgets.session.notice import Notice

COPY = Qt.DropAction.CopyAction


@pytest.fixture
def easel(qtbot: QtBot) -> Easel:
    made = Easel(qtbot, Document.of_picture(np.full((400, 600, 4), 128, np.uint8)), (600, 400))
    made.look(zoom=1.0, x=300, y=200)
    return made


@pytest.fixture
def boat(tmp_path: Path) -> Path:
    path = tmp_path / "red boat.png"
    Image.fromarray(noise(60, 40)).save(path)
    return path


def _file(path: Path) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    return data


def _enter(easel: Easel, data: QMimeData, x: int, y: int) -> bool:
    event = QDragEnterEvent(QPoint(x, y), COPY, data, LEFT, NONE)
    event.ignore()
    QApplication.sendEvent(easel.canvas, event)
    return event.isAccepted()


def _move(easel: Easel, data: QMimeData, x: int, y: int) -> None:
    QApplication.sendEvent(easel.canvas, QDragMoveEvent(QPoint(x, y), COPY, data, LEFT, NONE))


def _bring(easel: Easel, data: QMimeData, x: int, y: int) -> None:
    """All the way in."""
    _enter(easel, data, x, y)
    _drop(easel, data, x, y)


def _drop(easel: Easel, data: QMimeData, x: int, y: int) -> None:
    QApplication.sendEvent(easel.canvas, QDropEvent(QPointF(x, y), COPY, data, LEFT, NONE))


def _chip(easel: Easel) -> DropChip:
    (chip,) = (each for each in easel.canvas.findChildren(DropChip) if each.isVisible())
    return chip


def _chips(easel: Easel) -> int:
    return sum(chip.isVisible() for chip in easel.canvas.findChildren(DropChip))


def test_the_picture_is_seen_under_the_pointer_while_it_is_dragged(easel: Easel, boat: Path) -> None:
    empty = easel.seen()
    data = _file(boat)
    assert _enter(easel, data, 100, 100)
    assert (easel.seen()[95:105, 95:105] != empty[95:105, 95:105]).all(axis=2).any()
    _move(easel, data, 300, 200)
    seen = easel.seen()
    assert np.array_equal(seen[95:105, 95:105], empty[95:105, 95:105])
    assert (seen[195:205, 295:305] != empty[195:205, 295:305]).any()
    QApplication.sendEvent(easel.canvas, QDragLeaveEvent())
    assert np.array_equal(easel.seen(), empty)


def test_until_it_is_decoded_a_plain_place_with_its_name_is_shown(easel: Easel, boat: Path) -> None:
    easel.worker.reads = "later"
    empty = easel.seen()
    data = _file(boat)
    assert _enter(easel, data, 200, 150)
    waiting = easel.seen()
    assert (waiting != empty).any()
    _drop(easel, data, 200, 150)
    assert _chips(easel) == 0
    easel.worker.reading.pop()()
    assert _chips(easel) == 1


def test_escape_puts_away_what_is_still_being_decoded(easel: Easel, boat: Path) -> None:
    easel.worker.reads = "later"
    empty = easel.seen()
    _bring(easel, _file(boat), 200, 150)
    QTest.keyClick(easel.canvas, Qt.Key.Key_Escape)
    assert np.array_equal(easel.seen(), empty)
    easel.worker.reading.pop()()
    assert _chips(easel) == 0


def test_the_question_stands_under_the_picture_and_covers_nothing_of_it(easel: Easel, boat: Path) -> None:
    _bring(easel, _file(boat), 200, 100)
    chip = _chip(easel)
    assert chip.y() >= 100 + 20  # the boat is 40 pixels high
    assert easel.canvas.rect().contains(chip.geometry())


def test_a_narrow_canvas_asks_in_two_rows(qtbot: QtBot) -> None:
    holder = QWidget()
    qtbot.addWidget(holder)
    chip = DropChip("a picture", holder)
    one_row = chip.sizeHint().height()
    width = chip.sizeHint().width() * 2 // 3
    chip.fit(width)
    assert chip.width() <= width
    assert chip.height() > one_row + 20
    holder.resize(800, 400)
    holder.show()
    for widget in (*chip.buttons, *chip.findChildren(IconButton)):
        assert chip.rect().contains(QRect(widget.mapTo(chip, QPoint(0, 0)), widget.size()))


def test_enter_makes_an_exemplar_at_the_place(easel: Easel, boat: Path) -> None:
    _enter(easel, _file(boat), 100, 100)
    _drop(easel, _file(boat), 120, 90)
    chip = _chip(easel)
    assert [button.text() for button in chip.buttons] == [
        "Reference picture",
        "Layer",
        "New document",
        "Strength map",
        "Keep map",
    ]
    assert easel.canvas.rect().contains(chip.geometry())
    QTest.keyClick(chip.buttons[0], Qt.Key.Key_Return)
    (exemplar,) = easel.session.document.exemplars
    assert exemplar.name == "red boat"
    assert exemplar.placement == Placement(120, 90)
    assert np.array_equal(exemplar.pixels, noise(60, 40))
    assert easel.session.draft.exemplar == exemplar.id
    assert easel.session.options.tool == "move"
    assert easel.session.history.entries[-1].label == "Add reference picture"
    assert _chips(easel) == 0


def test_in_a_narrow_window_there_is_room_for_the_choices(qtbot: QtBot) -> None:
    holder = QWidget()
    qtbot.addWidget(holder)
    chip = DropChip("a picture with a long name", holder)
    wide = chip.sizeHint().width()
    chip.fit(wide)
    assert not chip.label.isHidden()
    chip.fit(wide - 1)
    assert chip.label.isHidden()
    assert chip.width() < wide - 60


def test_arrows_choose_and_a_layer_is_centred_on_the_place(easel: Easel, boat: Path) -> None:
    _bring(easel, _file(boat), 120, 90)
    chip = _chip(easel)
    QTest.keyClick(chip.buttons[0], Qt.Key.Key_Right)
    QTest.keyClick(chip.buttons[1], Qt.Key.Key_Return)
    layer = easel.session.document.layers[-1]
    assert (layer.name, easel.session.active_layer) == ("red boat", layer.id)
    assert np.array_equal(layer.pixels.read(Rect(90, 70, 150, 110)), noise(60, 40))
    assert not layer.pixels.read(Rect(0, 0, 90, 300)).any()


def test_a_new_document_is_opened_beside_this_one(easel: Easel, boat: Path) -> None:
    before = easel.session.document
    _bring(easel, _file(boat), 120, 90)
    QTest.mouseClick(_chip(easel).buttons[2], LEFT)
    assert [picture.name for picture in easel.worker.opened] == ["red boat.png"]
    assert easel.session.document is before


def test_a_strength_map_is_as_bright_as_the_picture(easel: Easel, boat: Path) -> None:
    _bring(easel, _file(boat), 120, 90)
    QTest.mouseClick(_chip(easel).buttons[3], LEFT)
    found = easel.session.document.strength.read()
    bright = noise(60, 40)[..., :3] @ np.array([0.299, 0.587, 0.114]) / 255
    assert found.mean() == pytest.approx(bright.mean(), abs=0.01)
    assert 0 <= found.min() <= found.max() <= 1


@pytest.mark.parametrize("way", ["escape", "cross"])
def test_it_can_be_put_away(easel: Easel, boat: Path, way: str) -> None:
    before = easel.session.document
    _bring(easel, _file(boat), 120, 90)
    chip = _chip(easel)
    if way == "escape":
        QTest.keyClick(chip.buttons[0], Qt.Key.Key_Escape)
    else:
        cross = next(button for button in chip.findChildren(IconButton) if button.accessibleName() == "Put it away")
        QTest.mouseClick(cross, LEFT)
    assert _chips(easel) == 0
    assert easel.session.document is before


def test_a_click_beside_the_question_does_not_throw_the_picture_away(easel: Easel, boat: Path) -> None:
    before, empty = easel.session.document, easel.seen()
    _bring(easel, _file(boat), 120, 90)
    easel.drag((300, 250), (310, 250))
    assert _chips(easel) == 1
    assert (easel.seen() != empty).any()
    assert easel.session.document is before
    assert set(easel.note.kinds) <= {"hover"}  # the press was not meant for the tool
    QTest.keyClick(_chip(easel).buttons[0], Qt.Key.Key_Return)
    assert easel.session.document.exemplars[-1].placement == Placement(120, 90)


def test_what_cannot_be_read_leaves_nothing_behind(easel: Easel, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not a picture")
    easel.worker.reads = "later"
    empty = easel.seen()
    _enter(easel, _file(broken), 100, 100)
    _drop(easel, _file(broken), 100, 100)
    with pytest.raises(UnreadableFile) as raised:
        easel.worker.reading.pop()()
    easel.session.notice(raised.value.message, raised.value.advice, error=True)
    assert np.array_equal(easel.seen(), empty)
    assert _chips(easel) == 0


def test_a_file_that_is_no_picture_is_left_to_the_window(easel: Easel, tmp_path: Path) -> None:
    assert not _enter(easel, _file(tmp_path / "letter.txt"), 100, 100)
    assert not _enter(easel, QMimeData(), 100, 100)


@pytest.fixture
def fleet(boat: Path, tmp_path: Path) -> QMimeData:
    """Three pictures and a text."""
    files = [boat, tmp_path / "notes.txt", tmp_path / "blue boat.png", tmp_path / "ship.png"]
    for file in files[2:]:
        file.write_bytes(boat.read_bytes())
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(file)) for file in files])
    return data


def test_several_pictures_are_all_taken_side_by_side_each_as_one_step(easel: Easel, fleet: QMimeData) -> None:
    heard: list[Notice] = []
    easel.session.noticed.connect(heard.append)
    _bring(easel, fleet, 300, 200)
    chip = _chip(easel)
    assert chip.accessibleName() == "What 3 pictures become"
    assert [button.text() for button in chip.buttons] == ["Reference picture", "Layer", "New document"]
    QTest.keyClick(chip.buttons[0], Qt.Key.Key_Return)
    exemplars = easel.session.document.exemplars
    assert [exemplar.name for exemplar in exemplars] == ["red boat", "blue boat", "ship"]
    boxes = [exemplar.bounds for exemplar in exemplars]
    assert all(a.intersect(b).empty for a, b in combinations(boxes, 2))
    assert all(easel.session.document.rect.holds(box) for box in boxes)
    assert [entry.label for entry in easel.session.history.entries[1:]] == ["Add reference picture"] * 3
    assert [notice.message for notice in heard] == ["3 pictures come in, each as one step."]


def test_several_pictures_are_opened_beside_this_one(easel: Easel, fleet: QMimeData) -> None:
    _bring(easel, fleet, 300, 200)
    QTest.mouseClick(_chip(easel).buttons[2], LEFT)
    assert [picture.name for picture in easel.worker.opened] == ["red boat.png", "blue boat.png", "ship.png"]


def test_what_comes_along_waits_for_the_hand(easel: Easel, fleet: QMimeData, qtbot: QtBot) -> None:
    session = easel.session
    _bring(easel, fleet, 300, 200)
    easel.worker.reads = "later"
    QTest.keyClick(_chip(easel).buttons[0], Qt.Key.Key_Return)
    session.show(session.document.with_strength(session.document.empty_map()))
    while easel.worker.reading:
        easel.worker.reading.pop(0)()
    assert len(session.history.document.exemplars) == 1
    session.revert()
    qtbot.waitUntil(lambda: len(session.history.document.exemplars) == 3)


def test_large_pictures_side_by_side_fit_into_what_is_seen() -> None:
    seen = Rect(100, 50, 700, 350)
    for count in (2, 3, 5, 12):
        for at, room in side_by_side(seen, count):
            scale = placement(Size(4000, 3000), at, room).scale_x
            box = Rect.around(
                [Point(at.x + x * scale * 2000, at.y + y * scale * 1500) for x in (-1, 1) for y in (-1, 1)]
            )
            assert seen.holds(box)


def test_a_picture_from_a_browser_comes_as_bytes_or_as_an_image(easel: Easel, boat: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl("https://example.org/pictures/heron.png")])
    data.setData("image/png", QByteArray(boat.read_bytes()))
    _bring(easel, data, 100, 100)
    QTest.keyClick(_chip(easel).buttons[0], Qt.Key.Key_Enter)
    assert easel.session.document.exemplars[-1].name == "heron"
    data = QMimeData()
    data.setImageData(to_qimage(noise(30, 20)))
    _bring(easel, data, 100, 100)
    QTest.keyClick(_chip(easel).buttons[0], Qt.Key.Key_Enter)
    assert np.array_equal(easel.session.document.exemplars[-1].pixels, noise(30, 20))


def test_an_address_alone_is_answered_with_what_to_do(easel: Easel) -> None:
    heard: list[Notice] = []
    easel.session.noticed.connect(heard.append)
    data = QMimeData()
    data.setUrls([QUrl("https://example.org/heron")])
    assert _enter(easel, data, 100, 100)
    _drop(easel, data, 100, 100)
    assert "address" in heard[-1].message
    assert heard[-1].advice
    assert len(heard) == 1
    assert _chips(easel) == 0


def test_paste_takes_the_clipboard_to_a_place_or_the_middle_of_what_is_seen(easel: Easel) -> None:
    clipboard = QApplication.clipboard()
    clipboard.setImage(QImage(to_qimage(noise(30, 20))))
    easel.canvas.paste(at=Point(50, 60))
    QTest.keyClick(_chip(easel).buttons[0], Qt.Key.Key_Return)
    placed = easel.session.document.exemplars[-1].placement
    assert (placed.x, placed.y) == (50, 60)
    easel.look(zoom=4.0, x=0, y=0)  # the upper left corner of the picture is in the middle of the canvas
    clipboard.setImage(QImage(to_qimage(noise(300, 200))))
    easel.canvas.paste()
    QTest.keyClick(_chip(easel).buttons[0], Qt.Key.Key_Return)
    exemplar = easel.session.document.exemplars[-1]
    assert (exemplar.placement.x, exemplar.placement.y) == (37.5, 25)
    assert easel.canvas.viewport.visible().holds(exemplar.bounds)
    heard: list[Notice] = []
    easel.session.noticed.connect(heard.append)
    clipboard.setText("no picture")
    easel.canvas.paste()
    clipboard.clear()
    easel.canvas.paste()
    assert [each.message for each in heard] == ["There is no picture on the clipboard."] * 2
    assert _chips(easel) == 0


def test_no_data_at_all_carries_nothing(easel: Easel) -> None:
    """What Qt gives while the other program goes away."""
    assert not Dropper(easel.canvas, easel.session, easel.canvas.navigation).carries(None)
    assert files_of(None) == []


def test_large_pictures_are_laid_smaller() -> None:
    seen = Rect(100, 100, 500, 400)
    assert placement(Size(100, 80), Point(7, 8), seen) == Placement(7, 8)
    assert placement(Size(4000, 1000), Point(7, 8), seen).scale_x == pytest.approx(0.05)
    assert title("/somewhere/a.b.jpeg") == "a.b"


def test_a_layer_larger_than_the_picture_is_made_to_fit() -> None:
    document = Document.of_picture(noise(100, 80))
    pixels = np.zeros((400, 1000, 4), np.uint8)
    pixels[...] = (250, 10, 10, 255)
    found = with_layer(document, "wide", pixels, Point(0, 0)).layers[-1].pixels.read()
    assert (found[20:60] == (250, 10, 10, 255)).all()
    assert not found[:20].any()
    assert not found[60:].any()


@pytest.mark.parametrize("white_keeps", [False, True])
def test_transparent_parts_of_a_strength_map_keep(white_keeps: bool) -> None:
    pixels = np.full((10, 10, 4), 0 if white_keeps else 255, np.uint8)
    pixels[..., 3] = 255
    pixels[:, :5, 3] = 0
    for size in (Size(10, 10), Size(20, 20)):
        found = mask_of(Picture(pixels, "map"), size, white_keeps=white_keeps).tiles.read()
        half = size.width // 2
        assert (found[:, : half - 1] == 0).all()
        assert found[:, half + 1 :] == pytest.approx(1)


def test_the_others_come_in_where_the_first_of_several_cannot_be_read(easel: Easel, boat: Path, tmp_path: Path) -> None:
    broken, ship = tmp_path / "broken.png", tmp_path / "ship.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nand no more")
    ship.write_bytes(boat.read_bytes())
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(file)) for file in (broken, boat, ship)])
    easel.worker.reads = "later"
    _bring(easel, data, 300, 200)
    with pytest.raises(UnreadableFile) as raised:
        easel.worker.reading.pop()()
    easel.worker.reads = "now"
    easel.session.notice(raised.value.message, raised.value.advice, error=True)
    chip = _chip(easel)
    assert chip.accessibleName() == "What 2 pictures become"
    QTest.keyClick(chip.buttons[0], Qt.Key.Key_Return)
    assert [exemplar.name for exemplar in easel.session.document.exemplars] == ["red boat", "ship"]
