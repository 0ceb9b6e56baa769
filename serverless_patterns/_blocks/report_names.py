"""Names of reports: two of one name must not share what tells them apart, the table of runs or the folder of a bucket."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from aws_cdk import Token
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from constructs import IConstruct

from serverless_patterns._blocks.checks import check
from serverless_patterns._blocks.object_flow import is_same_bucket
from serverless_patterns._blocks.table import is_same_table


@dataclass(frozen=True, kw_only=True)
class NamedReport:
    """A report, and where its name has to be the only one.

    Attributes:
        path: The pattern's path.
        name: What the report is called.
        table: Its runs.
        bucket: Its files.
        prefix: Their folder.
    """

    path: str
    name: str
    table: dynamodb.ITable
    bucket: s3.IBucket
    prefix: str


#: App -> its reports, for as long as there is the app.
_REPORTS: WeakKeyDictionary[IConstruct, list[NamedReport]] = WeakKeyDictionary()


def check_names(scope: IConstruct, report: NamedReport) -> None:
    """Check that no other report of the app is taken for this one.

    A name that is known only when deployed could be any, and passes: the function finds out while it runs.

    Raises:
        PatternError: Another one has its name, and its table of runs or its folder.
    """
    known = _REPORTS.setdefault(scope.node.root, [])
    for other in known:
        if Token.is_unresolved(report.name) or report.name != other.name:
            continue
        mend = f"got {report.name!r}, as that of {other.path}: give one of them another report_name"
        shares = is_same_table(report.table, other.table)
        check(not shares, f"report_name must be the only one in a table of runs, {mend}, or a table of its own")
        shares = report.prefix == other.prefix and is_same_bucket(report.bucket, other.bucket)
        check(not shares, f"report_name must be the only one in a folder of a bucket, {mend}, or a prefix of its own")
    known.append(report)
