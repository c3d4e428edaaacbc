"""The service against its own OpenAPI document: no fault, and no answer that is not in it, whatever is sent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case

from reir import Gallery
from reir.server import ServiceSettings, create_app
from tests.grid_colour_model import GridColourModel
from tests.search.galleries import make_index
from tests.server.conftest import PICTURES
from tests.server.serving import ADMINISTRATOR, key_file
from tests.serving import running

schema = schemathesis.openapi.from_dict(create_app(ServiceSettings()).openapi())
BEYOND_A_SCHEMA = [schemathesis.checks.CHECKS.get_one("positive_data_acceptance")]
"""Not every file is a picture, not every text a cursor: a request may fit its schema and be refused for good reason."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service with keys over a gallery of its own, which requests made up at random may change."""
    folder = tmp_path_factory.mktemp("service")
    index = make_index(folder / "gallery", PICTURES)
    with Gallery(index, model=GridColourModel()) as gallery:
        app = create_app(ServiceSettings(api_key_file=key_file(folder)), gallery=gallery)
        with running(app) as address:
            yield address


@schema.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_administrators_see_what_is_documented(case: Case, url: str) -> None:
    case.call_and_validate(base_url=url, headers=ADMINISTRATOR, excluded_checks=BEYOND_A_SCHEMA)


@schema.parametrize()
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_strangers_see_what_is_documented(case: Case, url: str) -> None:
    case.call_and_validate(base_url=url, excluded_checks=BEYOND_A_SCHEMA)
