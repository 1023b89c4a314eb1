"""Requests of ours by the thousand, with the keys, prefixes and tokens that signers get wrong, against a server that checks each."""
import os
import subprocess

import conftest


def test_5000_random_requests_are_accepted(versitygw):
    versitygw.bucket("random", {"a": b"x", "dir/b": b"y"})
    program = conftest.BUILD / "tests/random_requests"
    env = dict(os.environ, **versitygw.env(), AWS_EC2_METADATA_DISABLED="true")
    # The client signs for another region first: the answers must mend that too.
    env.update(AWS_REGION="eu-central-1")
    done = subprocess.run([program, "random", "5000", "20240101"], env=env, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    assert done.stdout.startswith(b"0 refused") or b"\n0 refused" in done.stdout


def test_a_wrong_secret_is_refused(versitygw):
    """The control: the program does see a refusal."""
    program = conftest.BUILD / "tests/random_requests"
    env = dict(os.environ, **versitygw.env())
    env.update(AWS_SECRET_ACCESS_KEY="not-the-secret")
    done = subprocess.run([program, "random", "100", "1"], env=env, capture_output=True, timeout=300)
    assert done.returncode == 1 and b"100 refused" in done.stdout, done.stdout
