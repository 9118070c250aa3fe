"""Heard = history (G14, G15, G16)."""

import pytest

pytest.register_assert_rewrite("tests.heard.cells")
