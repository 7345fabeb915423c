"""The Models page, with a service that only writes down what it is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QObject, QPoint, QPointF, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QAction, QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLabel, QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from editor.diffusion.families.registry import FAMILIES
from editor.errors import ModelUnavailable
from editor.models.catalogue import RANKER, SUGGESTIONS
from editor.models.hub import DownloadPlan, RemoteFile
from editor.models.info import ModelInfo, Part
from editor.models.rankers import RankerInfo
from editor.requests.reports import Progress
from widgets.models.page import ModelsPage
from widgets.models.service import Download

LEFT = Qt.MouseButton.LeftButton
NONE = Qt.KeyboardModifier.NoModifier
COMMIT = "0" * 40


class Service(QObject):
    """`calls`: what was asked, in words."""

    changed = Signal()
    getting_changed = Signal()
    refused = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.models: tuple[ModelInfo, ...] | None = ()
        self.used = ""
        self.getting: Download | None = None
        self.rankers: tuple[RankerInfo, ...] = ()
        self.ranker: RankerInfo | None = None
        self.folder = Path("/home/ana/models")
        self.mirror = ""
        self.origins: dict[str, str] = {}

    def refresh(self) -> None:
        self.calls.append("refresh")

    def use(self, key: str) -> None:
        self.calls.append(f"use {key}")

    def use_ranker(self, key: str) -> None:
        self.calls.append(f"rank with {key}")

    def add_ranker(self, path: Path) -> None:
        self.calls.append(f"rank with the one at {path}")

    def forgettable(self, key: str) -> bool:
        return key.endswith(".safetensors")

    def origin(self, key: str) -> str:
        return self.origins.get(key, "")

    def forget(self, key: str) -> None:
        self.calls.append(f"forget {key}")

    def show_folder(self, key: str) -> None:
        self.calls.append(f"folder of {key}")

    def add(self, path: Path) -> None:
        self.calls.append(f"add {path}")

    def look_up(self, id: str) -> None:
        self.calls.append(f"look up {id}")
        self.tell(Download(id, "looking"))

    def get(self) -> None:
        self.calls.append("get")

    def stop(self) -> None:
        self.calls.append("stop")

    def dismiss(self) -> None:
        self.calls.append("dismiss")

    def set_folder(self, folder: Path) -> None:
        self.calls.append(f"keep in {folder}")

    def set_mirror(self, address: str) -> None:
        self.calls.append(f"mirror {address}")

    def tell(self, getting: Download | None) -> None:
        self.getting = getting
        self.getting_changed.emit()

    def list(self, *models: ModelInfo, used: str = "") -> None:
        self.models, self.used = models, used
        self.changed.emit()


CLIP = RankerInfo("/m/clip", "clip-vit-large-patch14", Path("/m/clip"), 400_000_000)
OTHER = RankerInfo("/m/other", "other", Path("/m/other"), 400_000_000)
PICKLED = RankerInfo(
    "/m/b16", "clip-vit-base-patch16", Path("/m/b16"), problem="There are only pickle files.", advice="Look for others."
)
UNET = Part("unet", 2_500_000_000, 5_000_000_000, "float16")
LARGE = ModelInfo(
    "/m/stabilityai/stable-diffusion-xl-base-1.0",
    "stable-diffusion-xl-base-1.0",
    FAMILIES.named("stable-diffusion-xl"),
    Path("/m/stabilityai/stable-diffusion-xl-base-1.0"),
    1024,
    parts=(UNET,),
)
FILE = replace(LARGE, key="/m/dream.safetensors", name="dream", path=Path("/m/dream.safetensors"))
BROKEN = replace(
    LARGE,
    key="/m/half",
    name="half",
    path=Path("/m/half"),
    problem="The U-Net of “half” is missing.",
    advice="Download the model again.",
)
WEIGHTS = RemoteFile("maker/small", COMMIT, "unet/a.safetensors", "maker/small/unet/a", "unet", 4_470_000_000, "", "")
PLAN = DownloadPlan(
    "maker/small", COMMIT, "", (WEIGHTS,), "apache-2.0", False, FAMILIES.named("stable-diffusion-xl"), True
)
FOUND = Download("maker/small", "found", PLAN, PLAN.total)


@pytest.fixture
def service(qapp: QApplication) -> Service:
    return Service()


@pytest.fixture
def page(service: Service, qtbot: QtBot) -> ModelsPage:
    made = ModelsPage(service)
    qtbot.addWidget(made)
    made.show()
    qtbot.waitExposed(made)
    service.calls.clear()
    return made


def click(widget: QWidget) -> None:
    assert widget.isVisible()
    QTest.mouseClick(widget, LEFT)


def words(widget: QWidget) -> str:
    """All that can be read in it."""
    return "\n".join(label.text() for label in widget.findChildren(QLabel) if label.isVisible())


def test_it_looks_at_the_disk_whenever_it_opens(service: Service, qtbot: QtBot) -> None:
    made = ModelsPage(service)
    qtbot.addWidget(made)
    assert service.calls == []
    made.show()
    assert service.calls == ["refresh"]


def test_a_newcomer_learns_what_a_model_is_and_what_works_without(page: ModelsPage, service: Service) -> None:
    assert page.empty.isVisible()
    assert "Quick fill works without" in words(page.empty)
    service.list(LARGE)
    assert not page.empty.isVisible()
    service.models = None
    service.changed.emit()
    assert not page.empty.isVisible()


def test_models_are_listed_with_what_matters(page: ModelsPage, service: Service) -> None:
    service.list(LARGE, FILE, BROKEN, used=LARGE.key)
    large, file, broken = page.rows.values()
    assert large.caption.text() == "Stable Diffusion XL · 5.0 GB · half precision · Ready"
    assert large.tag.isVisible()
    assert not large.use.isVisible()
    assert not large.forget.isVisible()
    assert file.use.isVisible()
    assert file.forget.isVisible()
    assert broken.problem.text() == BROKEN.problem
    assert broken.caption.text() == BROKEN.advice
    assert not broken.use.isVisible()
    assert not broken.rest.isVisible()


def test_buttons_of_a_model(page: ModelsPage, service: Service) -> None:
    service.list(LARGE, FILE, used=LARGE.key)
    row = page.rows[FILE.key]
    click(row.use)
    click(row.folder)
    row.forget.setFocus()
    QTest.keyClick(row.forget, Qt.Key.Key_Space)
    assert service.calls == [f"use {FILE.key}", f"folder of {FILE.key}", f"forget {FILE.key}"]


def test_rows_stay_while_the_list_changes(page: ModelsPage, service: Service) -> None:
    service.list(LARGE, FILE)
    row = page.rows[FILE.key]
    row.use.setFocus()
    service.list(FILE, BROKEN)
    assert page.rows[FILE.key] is row
    assert row.isVisible()
    assert list(page.rows) == [FILE.key, BROKEN.key]
    service.list()
    assert page.rows == {}
    assert page.empty.isVisible()


def test_what_was_half_downloaded_is_completed_with_a_button(page: ModelsPage, service: Service) -> None:
    service.origins = {BROKEN.key: "maker/half"}
    service.list(BROKEN)
    click(page.rows[BROKEN.key].rest)
    assert service.calls == ["look up maker/half"]
    assert page.id.text() == "maker/half"


def test_an_id_is_looked_up_with_enter(page: ModelsPage, service: Service) -> None:
    QTest.keyClick(page.id, Qt.Key.Key_Return)
    QTest.keyClicks(page.id, "maker/small")
    QTest.keyClick(page.id, Qt.Key.Key_Return)
    assert service.calls == ["look up maker/small"]
    assert page.isVisible()
    assert page.card.isVisible()
    assert not page.look_up.isEnabled()
    click(page.card.stop)
    assert service.calls[-1] == "stop"


def test_size_and_licence_stand_there_before_anything_is_fetched(page: ModelsPage, service: Service) -> None:
    service.tell(FOUND)
    said = words(page.card)
    assert "4.5 GB" in said
    assert "licence apache-2.0" in said
    assert "https://huggingface.co/maker/small" in said
    assert "/home/ana/models" in said
    assert "consent" not in said
    assert service.calls == []
    click(page.card.go)
    click(page.card.close_card)
    assert service.calls == ["get", "dismiss"]


def test_gated_models_say_what_to_do(page: ModelsPage, service: Service) -> None:
    service.tell(replace(FOUND, plan=replace(PLAN, gated=True)))
    said = words(page.card)
    assert "ask for consent first" in said
    assert "hf auth login" in said


def test_what_is_partly_here_is_continued(page: ModelsPage, service: Service) -> None:
    service.tell(replace(FOUND, missing=1_000_000_000))
    assert page.card.go.text() == "Continue"
    assert "1.0 GB of it still to come" in words(page.card)


def test_a_running_download_shows_its_bytes_and_can_be_cancelled(page: ModelsPage, service: Service) -> None:
    doing = "Downloading unet · 1.1 GB of 4.5 GB · 25 MB/s · about 2 min"
    service.tell(replace(FOUND, stage="running", progress=Progress(0.25, doing)))
    assert doing in words(page.card)
    assert page.card.bar.value() == 250
    assert not any(row.get.isEnabled() for row in page.suggestions)
    click(page.card.stop)
    assert service.calls == ["stop"]
    service.tell(replace(FOUND, stage="stopped", progress=Progress(0.25, doing)))
    assert "is kept" in words(page.card)
    assert not page.card.stop.isVisible()
    click(page.card.go)
    assert service.calls == ["stop", "get"]


def test_a_failed_download_says_why_and_goes_on_with_a_button(page: ModelsPage, service: Service) -> None:
    error = ModelUnavailable("The download of “small” was interrupted.", "What has come is kept.")
    service.tell(replace(FOUND, stage="failed", error=error))
    assert str(error) in words(page.card)
    assert page.card.go.text() == "Continue"
    click(page.card.go)
    assert service.calls == ["get"]


def test_a_failed_look_up_is_tried_again(page: ModelsPage, service: Service) -> None:
    service.tell(Download("maker/none", "failed", error=ModelUnavailable("There is no model “maker/none”.")))
    click(page.card.go)
    assert service.calls == ["look up maker/none"]


def test_suggestions_are_complete_and_say_what_is_here(page: ModelsPage, service: Service) -> None:
    assert [row.id for row in page.suggestions] == [
        suggestion.id for suggestion in sorted(SUGGESTIONS, key=lambda one: one.memory)
    ]
    service.list(LARGE)
    here = [row.id for row in page.suggestions if row.here.isVisible()]
    assert here == ["stabilityai/stable-diffusion-xl-base-1.0"]
    said = words(page)
    assert "From 8 GB of graphics memory" in said
    assert "about 4.5 GB · Apache 2.0" in said


def test_the_card_comes_into_sight_from_the_last_suggestion(page: ModelsPage, service: Service, qtbot: QtBot) -> None:
    last = page.suggestions[-1]
    page.resize(600, 420)
    QApplication.processEvents()
    page._scroll.ensureWidgetVisible(last)
    click(last.get)
    assert service.calls == [f"look up {last.id}"]
    qtbot.waitUntil(lambda: page.rect().contains(page.card.mapTo(page, page.card.rect().center())))


def test_pickles_are_refused_with_their_reason(page: ModelsPage, service: Service) -> None:
    error = ModelUnavailable("“dream.ckpt” is a pickle file.", "Look for its safetensors version.")
    service.refused.emit(error)
    assert page.refusal.isVisible()
    assert page.refusal.text() == str(error)
    service.list(LARGE)
    assert not page.refusal.isVisible()


@pytest.mark.parametrize("at", [0, 1])
def test_models_are_added_by_a_dialog(
    page: ModelsPage, service: Service, tmp_path: Path, qtbot: QtBot, at: int
) -> None:
    path = tmp_path / "model"
    if at == 0:
        path.mkdir()
    else:
        path = path.with_suffix(".safetensors")
        path.write_bytes(b"x")
    menu = page.add.menu()
    assert menu is not None
    menu.actions()[at].trigger()
    answer(page, path, qtbot)
    assert service.calls == [f"add {path}"]


def test_models_are_added_by_dropping_them(page: ModelsPage, service: Service) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile("/a/dream.safetensors")])
    copy = Qt.DropAction.CopyAction
    enter = QDragEnterEvent(QPoint(10, 10), copy, data, LEFT, NONE)
    QApplication.sendEvent(page, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(page, QDropEvent(QPointF(10, 10), copy, data, LEFT, NONE))
    assert service.calls == ["add /a/dream.safetensors"]


def test_where_things_are_kept_is_folded_away_and_can_be_changed(
    page: ModelsPage, service: Service, tmp_path: Path, qtbot: QtBot
) -> None:
    assert not page.mirror.isVisible()
    QTest.mouseClick(page.where, LEFT, pos=QPoint(20, 20))
    assert page.mirror.isVisible()
    assert page.folder.text() == "/home/ana/models"
    click(page.change_folder)
    answer(page, tmp_path, qtbot)
    page.mirror.setFocus()
    QTest.keyClicks(page.mirror, "mirror.example")
    QTest.keyClick(page.mirror, Qt.Key.Key_Return)
    assert service.calls == [f"keep in {tmp_path}", "mirror mirror.example"]


def test_escape_closes_the_page_and_nothing_else(page: ModelsPage, service: Service) -> None:
    service.tell(replace(FOUND, stage="running"))
    QTest.keyClick(page, Qt.Key.Key_Escape)
    assert not page.isVisible()
    assert service.calls == []


def test_nothing_is_cut_off_in_a_narrow_window(page: ModelsPage, service: Service) -> None:
    service.list(LARGE, FILE, BROKEN)
    service.tell(FOUND)
    page.resize(440, 700)
    QApplication.processEvents()
    for child in page._scroll.findChildren(QWidget):
        if child.isVisible() and not child.visibleRegion().isEmpty():
            assert child.mapTo(page, child.rect().topRight()).x() <= page.width(), child


def answer(page: ModelsPage, path: Path, qtbot: QtBot) -> None:
    """Choose a path in the file dialog that is open."""
    shown: Callable[[], list[QFileDialog]] = lambda: [  # noqa: E731
        each for each in page.findChildren(QFileDialog) if each.isVisible()
    ]
    qtbot.waitUntil(lambda: bool(shown()))
    (dialog,) = shown()
    name = dialog.findChild(QLineEdit, "fileNameEdit")
    assert name is not None
    name.setText(str(path))
    dialog.accept()


def entries(page: ModelsPage) -> dict[str, QAction]:
    """What can be chosen for ranking, by its words."""
    return {action.text(): action for action in page.ranker.menu.actions() if not action.isSeparator()}


def pick(page: ModelsPage, qtbot: QtBot, text: str) -> None:
    """Open the menu with a click and take an entry with another."""
    menu = page.ranker.menu

    def take() -> None:
        QTest.mouseClick(menu, LEFT, NONE, menu.actionGeometry(entries(page)[text]).center())

    QTimer.singleShot(0, take)
    click(page.ranker.choose)
    qtbot.waitUntil(lambda: not menu.isVisible())


def test_without_a_ranking_model_it_says_what_one_is_good_for(page: ModelsPage, service: Service, qtbot: QtBot) -> None:
    assert not page.ranker.isVisible()  # nothing paints yet
    service.list(LARGE)
    assert page.ranker.name.text() == "Ranks variations: none"
    assert "fit your words best" in page.ranker.caption.text()
    assert not page.ranker.problem.isVisible()
    assert list(entries(page)) == ["A folder…", "Get one, 605 MB…"]
    pick(page, qtbot, "Get one, 605 MB…")
    assert service.calls == [f"look up {RANKER}"]
    assert not entries(page)["Get one, 605 MB…"].isEnabled()


def test_the_ranking_model_can_be_chosen(page: ModelsPage, service: Service, qtbot: QtBot) -> None:
    service.rankers, service.ranker = (CLIP, OTHER, PICKLED), CLIP
    service.list(LARGE)
    assert page.ranker.name.text() == "Ranks variations: clip-vit-large-patch14"
    found = entries(page)
    assert found["clip-vit-large-patch14"].isChecked()
    assert not found["other"].isChecked()
    broken = found["clip-vit-base-patch16 · cannot be used"]
    assert not broken.isEnabled()
    assert broken.toolTip() == PICKLED.problem
    assert not page.ranker.problem.isVisible()  # it is not missed
    pick(page, qtbot, "other")
    assert service.calls == ["rank with /m/other"]


def test_one_that_cannot_be_used_is_shown_with_its_reason(page: ModelsPage, service: Service) -> None:
    service.rankers = (PICKLED,)
    service.list(LARGE)
    assert page.ranker.name.text() == "Ranks variations: none"
    assert page.ranker.problem.text() == f"{PICKLED.problem} {PICKLED.advice}"
    assert page.ranker.problem.isVisible()


def test_one_can_be_taken_from_a_folder(page: ModelsPage, service: Service, qtbot: QtBot, tmp_path: Path) -> None:
    service.list(LARGE)
    pick(page, qtbot, "A folder…")
    (dialog,) = page.findChildren(QFileDialog)
    dialog.fileSelected.emit(str(tmp_path))
    assert service.calls == [f"rank with the one at {tmp_path}"]
    dialog.close()


def test_one_that_is_here_is_not_offered_again(page: ModelsPage, service: Service) -> None:
    name = RANKER.rpartition("/")[2]
    service.rankers = (RankerInfo("/m/x", name, Path("/m/x")),)
    service.ranker = service.rankers[0]
    service.list(LARGE)
    assert list(entries(page)) == [name, "A folder…"]


def test_what_ranks_is_called_so_before_it_is_fetched(page: ModelsPage, service: Service) -> None:
    service.tell(replace(FOUND, plan=replace(PLAN, family=None, ranks=True, half=False)))
    assert page.card.facts.text() == "Ranks variations · 4.5 GB · licence apache-2.0"
