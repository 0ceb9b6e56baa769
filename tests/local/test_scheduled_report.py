"""ScheduledReport deployed by the real CDK CLI, used from outside: there are sales in a database, and files come of them."""

import json
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from PIL import Image

from serverless_patterns.local.database import Database
from serverless_patterns.local.drives import driven_patterns
from serverless_patterns.local.drives.scheduled_report import drive
from serverless_patterns.local.processes import wait_until
from serverless_patterns.local.queues import Inbox, Queue
from serverless_patterns.local.reports import Reports
from tests.support.report_stack import SQL, TABLE, ReportStack, links_in, new_day, opened, sell, told
from tests.support.waiting import PATIENCE

SENDER, RECIPIENTS = "reports@good.example", ["ann@example.com", "bob@example.com"]
BERLIN = ZoneInfo("Europe/Berlin")

APP = f"""
from types import SimpleNamespace
from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sqs as sqs

query = ReportQuery(sql={SQL!r}, key_columns=["id"], page_rows=20)
shown = {{
    "query": query,
    "schedule": ReportSchedule(time_zone="Europe/Berlin"),
    "format": ReportFormat(chart=Chart(label="item", value="amount")),
}}
results = sqs.Queue(stack, "Results")
items = dynamodb.Table(
    stack, "Items", partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
    removal_policy=RemovalPolicy.DESTROY,
)
vpc = ec2.Vpc.from_vpc_attributes(
    stack, "Vpc", vpc_id="vpc-0a1b2c3d", availability_zones=["us-east-1a", "us-east-1b"],
    isolated_subnet_ids=["subnet-0a1b2c3d", "subnet-1a2b3c4d"],
)
group = ec2.SecurityGroup.from_security_group_id(stack, "Group", "sg-0a1b2c3d")
login = secretsmanager.Secret(stack, "Login")
given = {{
    "Cluster": {{
        **shown,
        "mail": ReportMail(sender={SENDER!r}, recipients={RECIPIENTS!r}),
        "on_success": results,
    }},
    "Server": {{**shown, "source": ReportDatabase.postgres(login, vpc=vpc, security_groups=[group])}},
    "Items": {{
        "source": ReportSource.dynamodb(items, columns=["id", "item", "amount"]),
        "schedule": ReportSchedule(engine="rule", time_zone="Asia/Kolkata"),
    }},
}}
outputs = {{"ResultsUrl": results.queue_url}}
for name, options in given.items():
    made = ScheduledReport(stack, f"{{name}}Report", report_name=name, operations=LOCAL.operations, **options)
    outputs |= {{f"{{name}}{{key}}": value for key, value in made.outputs.items()}}
pattern = SimpleNamespace(outputs=outputs)
"""


@pytest.fixture(scope="module")
def stack(deploy_app):
    return deploy_app("good-reports", APP)


@pytest.fixture(scope="module")
def database(account, stack):
    """That of the cluster."""
    database = Database(account, stack.outputs["ClusterClusterArn"], stack.outputs["ClusterDatabaseSecretArn"], "reports")
    database.execute(TABLE)
    return database


@pytest.fixture(scope="module")
def cluster(emulator, account, stack, database):
    account.client("sesv2").create_email_identity(EmailIdentity=SENDER)
    return ReportStack(emulator, account, stack, "Cluster")


@pytest.fixture(scope="module")
def server(emulator, account, stack):
    """The report of a server of somebody's own, in a VPC: the same table in another PostgreSQL."""
    with Database.start(account) as database:
        database.execute(TABLE)
        database.write_secret(stack.outputs["ServerDatabaseSecretArn"])
        yield ReportStack(emulator, account, stack, "Server"), database


@pytest.fixture(params=["by the Data API", "by PostgreSQL's own protocol"])
def sold(request):
    """A report and its database."""
    if request.param == "by the Data API":
        return request.getfixturevalue("cluster"), request.getfixturevalue("database")
    return request.getfixturevalue("server")


@pytest.mark.parametrize(("day", "hours"), [("2025-03-30", 23), ("2025-10-26", 25), ("2025-07-01", 24)])
def test_a_report_has_exactly_the_rows_of_its_day_in_its_time_zone_when_clocks_change_too(sold, day, hours):
    report, database = sold
    midnight = datetime.combine(date.fromisoformat(day), datetime.min.time(), BERLIN).astimezone(UTC)
    first = midnight - timedelta(hours=2)
    sell(database, first.isoformat(), 2 * (hours + 4))
    answer = report.made(day)
    expected = [f"{first.isoformat()}/{number:06}" for number in range(5, 5 + 2 * hours)]
    assert [row["id"] for row in report.rows(day)] == expected
    assert (answer["rows"], answer["date"], answer["state"]) == (2 * hours, day, "DONE")


def test_numbers_are_exact_and_a_text_that_looks_like_a_formula_is_none(sold):
    report, database = sold
    day = new_day()
    cells = {
        "a": ("=HYPERLINK(1)", "12345678901234567890123456789.0123456789"),
        "b": ("@SUM(A1)", "-5"),
        "c": ("-1+1", "0.10"),
        "d": ('one, "two"\nthree', "0.0000000001"),
        "e": (None, None),
    }
    for key, (item, amount) in cells.items():
        database.execute(
            "INSERT INTO sales VALUES (:id, :item, CAST(:amount AS numeric), CAST(:at AS timestamptz))",
            id={"stringValue": f"{day}/{key}"},
            item={"isNull": True} if item is None else {"stringValue": item},
            amount={"isNull": True} if amount is None else {"stringValue": amount},
            at={"stringValue": f"{day}T12:00:00Z"},
        )
    report.made(day)
    guarded = {"a": "'=HYPERLINK(1)", "b": "'@SUM(A1)", "c": "'-1+1", "d": cells["d"][0], "e": ""}
    assert [(row["item"], row["amount"]) for row in report.rows(day)] == [
        (guarded[key], amount or "") for key, (_, amount) in cells.items()
    ]
    page = report.content(day, "html").decode()
    assert '<td class="number">12345678901234567890123456789.0123456789</td>' in page
    assert "<td>=HYPERLINK(1)</td>" in page


@pytest.fixture(scope="module")
def announced(account, stack, cluster, database):
    """A day with six sales whose report was asked for as a schedule does, and what people were told."""
    day = new_day()
    sell(database, f"{day}T08:00:00Z", 6)
    with Inbox(account, cluster.output("TopicArn")) as inbox:
        cluster.send({"date": day})
        cluster.done(day)
        results = []
        queue = Queue(account, stack.outputs["ResultsUrl"])
        assert wait_until(lambda: results.extend(queue.take()) or results, seconds=PATIENCE, interval=0.1)
        return day, told(inbox, day), cluster.mails(day), [json.loads(message.body) for message in results]


def test_people_are_told_by_topic_and_mail_with_links_to_the_files(cluster, announced):
    day, messages, mails, _ = announced
    (message,), (mail,) = messages, mails
    assert f"The report Cluster of {day} (Europe/Berlin) has 6 rows." in message
    assert [opened(link) for link in links_in(message)] == [cluster.content(day, "csv"), cluster.content(day, "html")]
    assert (mail["Source"], sorted(mail["To"])) == (SENDER, RECIPIENTS)
    assert [opened(link) for link in links_in(mail["BodyText"])] == [cluster.content(day, "csv"), cluster.content(day, "html")]


def test_each_result_is_sent_to_the_queue_of_the_users_own_with_its_event(announced):
    day, _, _, (result,) = announced
    assert result["requestPayload"] == {"date": day}
    keys = [f"reports/dt={day}/Cluster.{ending}" for ending in ("csv", "html")]
    assert result["responsePayload"] == {"report": "Cluster", "date": day, "rows": 6, "keys": keys, "state": "DONE"}


def test_a_report_that_is_there_is_made_and_told_again_only_if_it_is_asked_for(account, cluster, database):
    day = new_day()
    sell(database, f"{day}T08:00:00Z", 1)
    with Inbox(account, cluster.output("TopicArn")) as inbox:
        first = cluster.made(day)
        sell(database, f"{day}T09:00:00Z", 2)
        assert cluster.made(day) == first
        assert (len(cluster.rows(day)), len(told(inbox, day)), len(cluster.mails(day))) == (1, 1, 1)
        assert cluster.made(day, again=True)["rows"] == 3
        assert (len(cluster.rows(day)), len(told(inbox, day)), len(cluster.mails(day))) == (3, 2, 2)
    assert cluster.run(day)["attempts"] == 2


def test_the_page_shows_its_day_its_rows_and_a_bar_for_each(cluster, announced):
    page = cluster.content(announced[0], "html").decode()
    assert (page.count("<rect "), page.count("<tr>")) == (6, 1 + 6)
    assert f"{announced[0]} (Europe/Berlin), 6 rows" in page


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
#: How the page draws its bars, and the lines of its table.
BAR, LINE = (0x35, 0x61, 0x8F), (0xCC, 0xCC, 0xCC)


@pytest.mark.skipif(BROWSER is None, reason="a browser shows the page: install chromium to see it")
def test_a_browser_shows_the_bars_as_long_as_their_values_and_the_table_below_them(cluster, announced, tmp_path):
    page, screenshot = tmp_path / "page.html", tmp_path / "page.png"
    page.write_bytes(cluster.content(announced[0], "html"))
    quiet = ["quic", "background-networking", "component-update", "sync", "gpu"]
    command = [BROWSER, "--headless", "--no-sandbox", "--no-first-run", *(f"--disable-{each}" for each in quiet)]
    where = [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1000,1400", f"--screenshot={screenshot}"]
    subprocess.run([*command, *where, page.as_uri()], check=True, capture_output=True, timeout=60)
    with Image.open(screenshot) as image:
        seen = image.convert("RGB")
    pixels, width = seen.tobytes(), 3 * seen.width
    lines = [Counter(zip(*[iter(pixels[start : start + width])] * 3, strict=True)) for start in range(0, len(pixels), width)]
    bars = [line[BAR] for line in lines]
    lengths = [length for length, before in zip(bars, [0, *bars], strict=False) if length and not before]
    assert len(lengths) == 6
    assert [round(length / lengths[-1], 2) for length in lengths] == pytest.approx([n / 6 for n in range(1, 7)], abs=0.01)
    below = lines[max(y for y, length in enumerate(bars) if length) + 1 :]
    assert sum(line[LINE] > 100 for line in below) == 1 + 6


def test_a_schedule_makes_the_report_of_the_day_that_ended_last_in_its_time_zone(account, stack, cluster):
    yesterday = (datetime.now(BERLIN).date() - timedelta(days=1)).isoformat()
    outputs = {name: cluster.output(name) for name in ("ScheduleName", "ScheduleGroupName")}
    Reports(account, replace(stack, outputs=outputs)).tick()
    run = cluster.done(yesterday)
    assert (run["state"], run["attempts"], cluster.keys(yesterday)) == ("DONE", 1, cluster.files)


@pytest.fixture(scope="module")
def items(emulator, account, stack):
    """The report of a table, with its items."""
    report = ReportStack(emulator, account, stack, "Items")
    table = account.table(report.output("SourceTableName"))
    with table.batch_writer() as batch:
        for number in range(500):
            batch.put_item(Item={"id": f"{number:03}", "item": f"=item {number}", "amount": Decimal(number) / 10, "other": "x"})
    return report


def test_a_report_of_a_table_has_all_its_items_with_the_columns_that_were_chosen(items):
    day = new_day()
    assert items.made(day)["rows"] == 500
    rows = sorted(items.rows(day), key=lambda row: row["id"])
    assert rows[0].keys() == {"id", "item", "amount"}
    assert [row["id"] for row in rows] == [f"{number:03}" for number in range(500)]
    assert (rows[7]["item"], rows[7]["amount"]) == ("'=item 7", "0.7")


def test_a_rule_makes_the_report_of_the_day_that_ended_last_in_the_time_zone_of_the_report(account, items):
    events, rule = account.client("events"), items.output("RuleName")
    found = events.describe_rule(Name=rule)
    pattern = json.dumps({"source": ["tests.clock"]})  # beside its schedule: an event makes it fire now
    events.put_rule(Name=rule, ScheduleExpression=found["ScheduleExpression"], EventPattern=pattern)
    yesterday = (datetime.now(ZoneInfo("Asia/Kolkata")).date() - timedelta(days=1)).isoformat()
    events.put_events(Entries=[{"Source": "tests.clock", "DetailType": "Scheduled Event", "Detail": "{}"}])
    assert items.done(yesterday)["rows"] == 500
    assert items.keys(yesterday) == items.files


@pytest.fixture(scope="module")
def catalogued(account, local_environment):
    return account.stack("local-scheduled-report")


def test_the_drive_shows_each_hop_and_deletes_its_own_orders_and_reports_only(account, catalogued):
    outputs = catalogued.outputs
    database = Database(account, outputs["ClusterArn"], outputs["DatabaseSecretArn"], "reports")
    database.seed(3, prefix="of-somebody-else-")
    Queue(account, outputs["DeadLetterQueueUrl"]).send("of somebody else")

    def there():
        objects = account.client("s3").list_objects_v2(Bucket=outputs["BucketName"]).get("Contents", [])
        runs = account.table(outputs["RunsTableName"]).scan()["Items"]
        orders = database.execute("SELECT id FROM orders ORDER BY id")["records"]
        return [each["Key"] for each in objects], [run["id"] for run in runs], orders

    before = there()
    hops = []
    drive(account, catalogued, hops.append)
    assert len(hops) > 4
    assert [hop for hop in hops if hop.faults] == []
    assert there() == before
    assert [letter.body for letter in Queue(account, outputs["DeadLetterQueueUrl"]).take()] == ["of somebody else"]


def test_scheduled_report_has_a_drive():
    assert "scheduled_report" in driven_patterns()
