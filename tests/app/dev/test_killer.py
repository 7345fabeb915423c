"""The kill test itself: that it kills, and that it notices what is lost."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.dev.killer.command import Parent, main
from app.dev.killer.ledger import Digests
from editor.document.document import Document


@pytest.mark.slow
def test_nothing_is_lost_in_ten_kills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--kills", "10", "--seed", "3", "--home", str(tmp_path)])
    text = capsys.readouterr().out
    assert status == 0, text
    assert "10 kills" in text


@pytest.mark.parametrize(
    ("offered", "complaint"),
    [("c", ""), ("b", ""), ("a", "lost 2 steps"), ("x", "none that ever was"), (None, "was not offered")],
)
def test_what_is_lost_is_noticed(tmp_path: Path, offered: str | None, complaint: str) -> None:
    parent = Parent(tmp_path, 1)
    earlier = [{"what": "step", "key": "k", "digest": digest} for digest in "abc"]
    own = [{"what": "ready"}]
    if offered is not None:
        own.append({"what": "offered", "key": "k", "digest": offered})
    parent._check(1, earlier, own)
    failures = parent._tally.failures
    assert failures == [] if not complaint else complaint in failures[0]


def test_digests_tell_documents_apart() -> None:
    document = Document.of_picture(np.zeros((300, 200, 4), np.uint8))
    other = document.with_strength(document.strength.write(150, 250, np.full((1, 1), 1e-6, np.float32)))
    digests = Digests()
    assert digests.of(document) == Digests().of(document) == digests.of(document)
    assert digests.of(document) != digests.of(other) == Digests().of(other)


def test_the_ledger_is_read_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").write_text(json.dumps({"what": "ready", "time": 1.0}) + "\n")
    assert Parent(tmp_path, 1)._entries() == [{"what": "ready", "time": 1.0}]
