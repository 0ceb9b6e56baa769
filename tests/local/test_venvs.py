"""The environments of the local run are a function of their locks."""

from pathlib import Path

import pytest

from serverless_patterns.errors import LocalRunError
from serverless_patterns.local import venvs
from serverless_patterns.local.venvs import LOCKS, Venv

NO_HASH = "0" * 64


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_an_environment_is_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    venvs.RUNTIME.build()
    assert venvs.RUNTIME.python.exists()
    monkeypatch.setattr(venvs, "_uv", lambda *_: pytest.fail("built again"))
    venvs.RUNTIME.build()


def test_another_lock_is_another_environment(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("boto3==1 --hash=sha256:0\n")
    before = Venv("any", lock).folder
    lock.write_text("boto3==2 --hash=sha256:0\n")
    assert Venv("any", lock).folder != before


def test_what_does_not_match_its_hash_is_refused_in_the_words_of_uv(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(f"six==1.17.0 --hash=sha256:{NO_HASH}\n")
    with pytest.raises(
        LocalRunError, match=r"(?s)uv could not build .*[Hh]ash mismatch.*type the same command again"
    ) as caught:
        Venv("any", lock).build()
    assert "six" in str(caught.value)
    assert not Venv("any", lock).built


@pytest.mark.parametrize("name", ["emulator", "runtime"])
def test_a_lock_holds_hashes_and_no_address(name: str) -> None:
    text = (LOCKS / f"{name}-requirements.txt").read_text(encoding="utf-8")
    pins = [line for line in text.splitlines() if not line.startswith(" ")]
    assert all("==" in pin and pin.endswith("\\") for pin in pins)
    assert "://" not in text
