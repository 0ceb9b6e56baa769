"""Metrics of handlers, as CloudWatch reads them from the log."""

import json

import pytest

from shared import metrics


def test_a_count_has_the_function_as_its_one_dimension_although_the_function_names_a_service(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "worker")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "Orders")
    metrics.count("CircuitOpened")
    line = json.loads(capsys.readouterr().out)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["FunctionName"]]
    assert (directive["Namespace"], directive["Metrics"]) == (
        "ServerlessPatterns",
        [{"Name": "CircuitOpened", "Unit": "Count"}],
    )
    assert (line["FunctionName"], line["CircuitOpened"]) == ("worker", [1.0])


def test_a_time_is_a_value_in_seconds_of_this_function(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "worker")
    metrics.seconds("PostponedSeconds", 4000)
    line = json.loads(capsys.readouterr().out)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert (directive["Dimensions"], directive["Metrics"]) == (
        [["FunctionName"]],
        [{"Name": "PostponedSeconds", "Unit": "Seconds"}],
    )
    assert line["PostponedSeconds"] == [4000.0]
