"""URLs as messages show them."""

import pytest

from tasks.local.urls import without_passwords


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Client error '401' for url 'https://ann:secret@server/api'", "Client error '401' for url 'https://***@server/api'"),
        ("http://secret@server:4200/api/health: refused", "http://***@server:4200/api/health: refused"),
        ("http://ann:p@ss@server/api", "http://***@server/api"),
        ("https://server/api/users/ann@example.com", "https://server/api/users/ann@example.com"),
        ("ask ann@example.com", "ask ann@example.com"),
    ],
)  # fmt: skip
def test_names_and_passwords_of_urls_in_a_text_are_replaced(text, shown):
    assert without_passwords(text) == shown
