"""What the tests of the widgets share."""

from __future__ import annotations

import pytest

from tests.widgets.desk_stub import Worker


@pytest.fixture
def worker() -> Worker:
    return Worker()
