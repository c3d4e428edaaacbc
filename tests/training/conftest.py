import pytest


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """Where the scenes of all runs are drawn, once."""
    return tmp_path_factory.mktemp("scenes")
