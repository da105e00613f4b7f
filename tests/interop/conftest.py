from pathlib import Path

import pytest
from interop_servers import Secrets


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Secrets:
    return Secrets.issue(tmp_path_factory.mktemp("secrets"))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A server's directory; absolute, since rsyslog changes to `/`."""
    return tmp_path.absolute()
