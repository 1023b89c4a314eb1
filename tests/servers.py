"""Real S3 servers for the tests, on ports of their own on 127.0.0.1; each ends with its `with`."""
import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
KEY, SECRET = "testaccess", "testsecret-testsecret"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_ready(process, url, seconds=30):
    for _ in range(seconds * 20):
        if process.poll() is not None:
            raise RuntimeError(f"server ended with {process.returncode}")
        try:
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=1)
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{url} did not answer")


@contextlib.contextmanager
def running(command, url, env=None):
    """Runs a server until the block ends; its output is shown where it fails to start."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_ready(process, url)
            yield process
        except RuntimeError:
            log.seek(0)
            sys.stderr.write(log.read().decode(errors="replace")[-2000:])
            raise
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Server:
    """Where a server is and who may use it."""

    def __init__(self, name, url, region):
        self.name, self.url, self.region = name, url, region

    def env(self):
        return {
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": self.region,
        }

    def client(self):
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            config=Config(
                s3={"addressing_style": "path"}, request_checksum_calculation="when_required", max_pool_connections=64
            ),
        )

    def bucket(self, name, objects):
        """Makes bucket `name` with `objects`, a dict of key to bytes, and returns the client."""
        s3 = self.client()
        where = {} if self.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
        s3.create_bucket(Bucket=name, **where)
        for key, body in objects.items():
            s3.put_object(Bucket=name, Key=key, Body=body)
        return s3


@contextlib.contextmanager
def moto(region="us-east-1"):
    """moto: takes every odd key; checks no signature."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    program = pathlib.Path(sys.executable).parent / "moto_server"
    with running([str(program), "-H", "127.0.0.1", "-p", str(port)], url):
        yield Server("moto", url, region)


def versitygw_program():
    path = ROOT / "build/tools/versitygw"
    return str(path) if path.exists() else shutil.which("versitygw")


@contextlib.contextmanager
def versitygw(region="us-east-1"):
    """versitygw: strict about signatures, dates, regions and tokens."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as data:
        for folder in ("iam", "data", "versions"):
            (pathlib.Path(data) / folder).mkdir()
        env = dict(os.environ, ROOT_ACCESS_KEY=KEY, ROOT_SECRET_KEY=SECRET)
        command = [versitygw_program(), "--port", f"127.0.0.1:{port}", "--region", region, "--health", "/health"]
        command += ["--keep-alive", "--iam-dir", f"{data}/iam", "posix", "--versioning-dir", f"{data}/versions", f"{data}/data"]
        with running(command, url + "/health", env):
            yield Server("versitygw", url, region)
