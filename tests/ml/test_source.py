"""A model names the commit of the code it came from, or says that it does not know."""

import subprocess

import pytest

from ml.training.metrics import source_commit

WHO = ("-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false")


@pytest.fixture
def checkout(tmp_path):
    def git(*words):
        done = subprocess.run(
            ["git", *WHO, *words], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    git("init", "-q")
    (tmp_path / "a.py").write_text("x = 1\n")
    git("add", "a.py")
    git("commit", "-qm", "first")
    return tmp_path, git("rev-parse", "HEAD")


def test_commit_of_a_clean_checkout_is_its_head(checkout):
    folder, head = checkout

    assert source_commit(folder) == head
    (folder / "untracked.txt").write_text("y")
    assert source_commit(folder) == head


def test_commit_of_a_changed_checkout_says_dirty(checkout):
    folder, head = checkout
    (folder / "a.py").write_text("x = 2\n")

    assert source_commit(folder) == f"{head}-dirty"


def test_commit_of_an_image_is_read_from_its_file(tmp_path):
    (tmp_path / ".commit").write_text("0123abc\n")

    assert source_commit(tmp_path) == "0123abc"


def test_commit_outside_a_checkout_is_not_known(tmp_path):
    assert source_commit(tmp_path) is None
    (tmp_path / ".commit").write_text("")
    assert source_commit(tmp_path) is None


def test_commit_without_git_is_not_known(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")

    assert source_commit(checkout[0]) is None
