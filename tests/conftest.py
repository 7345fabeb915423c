"""Set-up shared by all tests: Qt draws offscreen, and one thread is enough for small arrays."""

from __future__ import annotations

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
