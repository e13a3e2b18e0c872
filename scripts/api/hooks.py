"""What schemathesis must know of this API; loaded through SCHEMATHESIS_HOOKS.

Waiting for an entry, or for work, that does not come is right, and takes as long as one asks for: so the calls do not ask for it. And a
call that ends the credential of the run would leave nothing to call with.
"""

import os

import schemathesis

# How long a call waits, and the largest index, as the document has it.
WAIT_MS, INDEX_MAX = 9_000, 2**53
# How long a call for work may wait.
WORK_WAIT_S = 30
KEY = os.environ["MAIP_RUN_KEY"]
NO_KEY = "0" * 16
# How a refusal by a reader of input ends: what the document allows, it must not refuse.
BY_THE_READER = ("see the parameters of this endpoint under /docs", "see the fields of this endpoint under /docs")

# What no schema can say, at the end of a reader's message.
BEYOND_A_SCHEMA = "not a point of the curve"


def whole(value):
    """The whole number that a query parameter is, or -1."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1


def is_positive(case):
    """Whether a case is one that the document allows."""
    return bool(case.meta) and case.meta.generation.mode.is_positive


@schemathesis.hook
def filter_query(context, query):
    # An empty list or object is not sent at all: what should have been refused was never there.
    return not any(value in ([], {}) for value in (query or {}).values())


@schemathesis.hook
def before_call(context, case, kwargs):
    query = dict(case.query or {})
    if 0 < whole(query.get("min_index")) <= INDEX_MAX:
        query["min_index"] = "0"
    if 0 < whole(query.get("timeout_ms")) <= 30_000:
        query["timeout_ms"] = str(WAIT_MS)
    if 0 < whole(query.get("wait_seconds")) <= WORK_WAIT_S:
        query["wait_seconds"] = "0"
    case.query = query or case.query
    # It makes header values of letters and digits alone, so of quoted versions nothing is left.
    if is_positive(case) and (case.headers or {}).get("If-Match") == "":
        del case.headers["If-Match"]
    own = str((case.path_parameters or {}).get("key_id", ""))
    if own and own in KEY:
        case.path_parameters = {**case.path_parameters, "key_id": NO_KEY}


@schemathesis.check
def what_the_document_allows_is_read(ctx, response, case):
    """In place of positive_data_acceptance, which cannot tell a rule of the protocol from a reader of input."""
    if not is_positive(case) or response.status_code not in (400, 422):
        return
    # A link from an answer whose id is null leads nowhere.
    if "null" in (case.path_parameters or {}).values():
        return
    refusal = response.json()
    if refusal["message"].endswith(BEYOND_A_SCHEMA):
        return
    by_reader = refusal["details"].get("fix") in BY_THE_READER
    assert not by_reader and response.status_code != 400, (
        f"the document allows it, the reader refuses it: {refusal['details'].get('field')} {refusal['message']}"
    )
