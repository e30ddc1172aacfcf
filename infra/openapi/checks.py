"""Checks of Schemathesis for this API; schemathesis.toml names this file."""

import re

import schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance

# Refusals of requests that the schemas describe, because JSON Schema cannot compare two
# values, and does not know which values a dataset has: code, reason.
EXPLAINED = [
    ("bad_parameter", r'^"where\.\w+" has a min above its max$'),
    ("unknown_value", r'^"where\.\w+" holds no value of the column "\w+"$'),
    ("bad_parameter", r'^"where\.\w+" and a range are given for the same column'),
    # The plugin's own words: one of two lists has two values.
    ("bad_parameter", r"two (states|groups)|nothing differs from itself"),
    # A schema cannot bound a whole query.
    ("url_too_long", r"."),
    # The ids of the routes are in the document itself.
    ("bad_request", r" is not the id of a route that a form can try$"),
    # The manifest's hint says whether a question has a picture.
    ("not_acceptable", r"^there is no picture of this answer"),
    # Whether a key was sent with another request is not in the request.
    ("idempotency_key_reused", r"."),
    # A job that was accepted and has no result.
    ("no_data", r"."),
]


@schemathesis.check
def accepted_or_explained(ctx, response, case):
    """Requests that the schemas describe are accepted, or refused for one of these reasons."""
    if response.headers.get("content-type", [""])[0].startswith("text/html"):
        return None  # a page, which tells people what is wrong
    if response.status_code in (400, 406, 414, 422):
        error = response.json()
        if any(error["code"] == code and re.search(reason, error["reason"]) for code, reason in EXPLAINED):
            return None
    return positive_data_acceptance(ctx, response, case)
