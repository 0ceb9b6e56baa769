"""Objects and items that go round: what one pattern writes, it or another reads and writes again, until somebody pays.

Nothing stops that: Lambda knows loops through S3, SQS and SNS, but not those through EventBridge.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from aws_cdk import Token
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from constructs import IConstruct

from serverless_patterns._blocks.checks import check
from serverless_patterns._blocks.table import is_same_table


@dataclass(frozen=True)
class Place:
    """The objects of a bucket below a prefix; ``""`` is all of them."""

    bucket: s3.IBucket
    prefix: str = ""

    def overlaps(self, other: Place | Rows) -> bool:
        """Whether one object can be in both, as far as is known: one prefix begins with the other.

        A prefix that is a token could be any, and passes.
        """
        if isinstance(other, Rows):
            return False
        if Token.is_unresolved(self.prefix) or Token.is_unresolved(other.prefix):
            return False
        holds = self.prefix.startswith(other.prefix) or other.prefix.startswith(self.prefix)
        return holds and is_same_bucket(self.bucket, other.bucket)

    def __str__(self) -> str:
        """What a message calls it."""
        return f"{self.bucket.node.path}/{self.prefix}"


@dataclass(frozen=True)
class Rows:
    """The items of a table, whose changes are read from its stream."""

    table: dynamodb.ITable

    def overlaps(self, other: Place | Rows) -> bool:
        """Whether both are one table, as far as is known."""
        return isinstance(other, Rows) and is_same_table(self.table, other.table)

    def __str__(self) -> str:
        """What a message calls it."""
        return self.table.node.path


@dataclass(frozen=True)
class Flow:
    """What a pattern reads, whenever something is created or changed there, and where it writes.

    Attributes:
        path: The pattern's path.
        reads: Its input.
        writes: Its outputs.
    """

    path: str
    reads: Place | Rows
    writes: Sequence[Place | Rows]

    def feeds(self, other: Flow) -> bool:
        """Whether what it writes is worked by the other one."""
        return any(place.overlaps(other.reads) for place in self.writes)


#: App -> its flows, for as long as there is the app.
_FLOWS: WeakKeyDictionary[IConstruct, list[Flow]] = WeakKeyDictionary()


def check_flow(scope: IConstruct, *, reads: Place | Rows, writes: Sequence[Place | Rows]) -> None:
    """Check that what a pattern writes never comes back to it, neither directly nor through other patterns of the app.

    Args:
        scope: The pattern.
        reads: The objects or items that it works.
        writes: Where it puts what becomes of them.

    Raises:
        PatternError: It would work its own results, for ever.
    """
    flow = Flow(scope.node.path, reads, writes)
    known = _FLOWS.setdefault(scope.node.root, [])
    circle = _circle(flow, known)
    comes_to, mend = (
        ("change", "write to a table whose stream nobody reads")
        if isinstance(reads, Rows)
        else ("object", "write to another bucket, or read below a prefix that nobody writes to")
    )
    check(
        not circle,
        f"output of {flow.path!r} comes back as its input {str(reads)!r} ({' -> '.join([*circle, flow.path])}): each result "
        f"would be worked as a new {comes_to}, for ever; {mend}",
    )
    known.append(flow)


def _circle(flow: Flow, known: Sequence[Flow]) -> list[str]:
    """The paths on a way from a flow back to itself; none if there is no such way.

    It comes to an end: there is no circle among those that are known.
    """
    ways = [[flow]]
    while ways:
        way = ways.pop()
        if way[-1].feeds(flow):
            return [each.path for each in way]
        ways += [[*way, other] for other in known if way[-1].feeds(other)]
    return []


def is_same_bucket(one: s3.IBucket, other: s3.IBucket) -> bool:
    """Whether two buckets are one, however often it is imported, as far as their names and ARNs tell."""
    return one is other or one.bucket_name == other.bucket_name or one.bucket_arn == other.bucket_arn
