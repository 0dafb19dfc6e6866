"""The settings of this project as a fixture."""

import pytest

from stages import config


@pytest.fixture(scope="session")
def settings() -> config.Settings:
    return config.load()
