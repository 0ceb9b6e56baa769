"""The life of an emulator: it starts on loopback, says how it died, and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from serverless_patterns.errors import LocalRunError
from serverless_patterns.local import venvs
from serverless_patterns.local.account import Account
from serverless_patterns.local.emulator import LOOPBACK, Emulator
from serverless_patterns.local.processes import wait_until
from tests.local.conftest import command_environment, processes_that_mention, zipped
from tests.support.waiting import PATIENCE

START_AND_WAIT = """
import sys, time
from pathlib import Path
from serverless_patterns.local.emulator import Emulator
emulator = Emulator.start(Path(sys.argv[1]))
print(emulator.pid, flush=True)
time.sleep(60)
"""


def lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_stopped_emulator_leaves_no_process_and_no_folder(tmp_path: Path) -> None:
    folder = tmp_path / "emulator"
    with Emulator.start(folder) as emulator:
        functions = Account(emulator.url).client("lambda")
        functions.create_function(
            FunctionName="sleeper",
            Runtime="python3.13",
            Role="arn:aws:iam::000000000000:role/any",
            Handler="index.handler",
            Code={"ZipFile": zipped("def handler(event, context): return None")},
        )
        functions.invoke(FunctionName="sleeper")
        assert len(processes_that_mention(folder)) == 1, "the function's worker"
    assert not lives(emulator.pid)
    assert wait_until(lambda: not processes_that_mention(folder), seconds=PATIENCE)
    assert list(tmp_path.iterdir()) == []


def test_two_emulators_run_side_by_side(tmp_path: Path) -> None:
    with Emulator.start(tmp_path / "one") as one, Emulator.start(tmp_path / "two") as two:
        assert one.port != two.port
        Account(one.url).client("sqs").create_queue(QueueName="only-in-one")
        assert not Account(two.url).client("sqs").list_queues().get("QueueUrls")


def test_an_emulator_that_dies_at_the_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(venvs, "EMULATOR", venvs.RUNTIME)
    with pytest.raises(LocalRunError, match="No module named 'ministack'") as caught:
        Emulator.start(tmp_path / "emulator")
    assert str(tmp_path / "emulator-died.log") in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["emulator-died.log"]


def test_an_emulator_that_dies_later_says_so_in_place_of_the_error_that_follows(tmp_path: Path) -> None:
    with Emulator.start(tmp_path / "emulator") as emulator:
        os.kill(emulator.pid, signal.SIGKILL)
        assert wait_until(lambda: not emulator.alive, seconds=PATIENCE)
        with pytest.raises(LocalRunError, match="the emulator died"), emulator.watched():
            Account(emulator.url).client("sts").get_caller_identity()


def test_an_error_while_the_emulator_lives_stays_what_it_is(emulator: Emulator) -> None:
    with pytest.raises(KeyError), emulator.watched():
        raise KeyError


def test_a_taken_port_is_named_with_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LocalRunError, match=f"port {port} cannot be used .*: leave --port out for a free one"):
            Emulator.start(tmp_path / "emulator", port=port)
    assert list(tmp_path.iterdir()) == []


def test_an_emulator_ends_with_the_process_that_started_it_even_when_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", START_AND_WAIT, str(tmp_path / "emulator")]
    with subprocess.Popen(command, env=command_environment(tmp_path), stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert lives(pid)
        parent.kill()
    assert wait_until(lambda: not lives(pid), seconds=PATIENCE)
    assert wait_until(lambda: not (tmp_path / "emulator").exists(), seconds=PATIENCE)


def test_an_emulator_keeps_its_state_in_its_own_folder(emulator: Emulator) -> None:
    assert any((emulator.folder / "state").iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_emulator_listens_on_its_loopback_port_and_nowhere_else(emulator: Emulator) -> None:
    process = Path("/proc") / str(emulator.pid)
    links = [str(file.readlink()) for file in (process / "fd").iterdir() if file.is_symlink()]
    sockets = {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")}
    rows = [line.split() for table in ("tcp", "tcp6") for line in (process / "net" / table).read_text().splitlines()[1:]]
    listening = [row[1] for row in rows if row[3] == "0A" and row[9] in sockets]
    assert listening == [f"0100007F:{emulator.port:04X}"]
