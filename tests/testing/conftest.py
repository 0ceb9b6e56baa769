"""What these tests share: AWS's stand-in without what other tests of the same process have put there."""

from collections.abc import Iterator

import pytest
from moto.dynamodb.models import dynamodb_backends
from moto.s3.models import s3_backends
from moto.sqs.models import sqs_backends


@pytest.fixture(autouse=True)
def _nothing_there() -> Iterator[None]:
    """Put aside what is there, and put it back: a stand-in inside another one begins with what that one has."""
    names = s3_backends.bucket_accounts
    buckets, kept = dict(names), [(backends, dict(backends)) for backends in (dynamodb_backends, s3_backends, sqs_backends)]
    for state in (names, *(backends for backends, _ in kept)):
        state.clear()
    yield
    for state, before in ((names, buckets), *kept):
        state.clear()
        state.update(before)
