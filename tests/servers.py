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


@contextlib.contextmanager
def imds(region="eu-west-1", role="s3_access", token_ttl=True, key=KEY, secret=SECRET, session_token="", lifetime=3600):
    """The instance metadata service, version 2 alone: a token must be PUT for first. Yields (url, list of requests)."""
    import http.server
    import json
    import threading

    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self, status, text=""):
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_PUT(self):
            seen.append(("PUT", self.path))
            ttl = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
            good = self.path == "/latest/api/token" and ttl.isdigit() and 1 <= int(ttl) <= 21600
            self.answer(200 if good else 400, "session-token" if good else "")

        def do_GET(self):
            seen.append(("GET", self.path))
            if self.headers.get("X-aws-ec2-metadata-token") != "session-token":
                return self.answer(401)
            end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + lifetime))
            credentials = {"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": key, "SecretAccessKey": secret,
                           "Token": session_token, "Expiration": end}
            base = "/latest/meta-data/iam/security-credentials"
            pages = {
                base + "/": role,
                base: role,
                f"{base}/{role}": json.dumps(credentials),
                "/latest/meta-data/placement/region": region,
                "/latest/meta-data/placement/availability-zone": region + "a",
                "/latest/dynamic/instance-identity/document": json.dumps({"region": region}),
            }
            return self.answer(200, pages[self.path]) if self.path in pages else self.answer(404)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class FaultProxy:
    """fault-proxy of ../shared/servers before a server: a log of what the client sent, faults by rule."""

    def __init__(self, url):
        self.url = url

    def call(self, method, path, body=None):
        import json

        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def rules(self, rules):
        self.call("PUT", "/__fault/rules", rules)

    def log(self):
        return self.call("GET", "/__fault/log")

    def forget(self):
        self.call("DELETE", "/__fault/log")

    def objects(self):
        """Targets of the GETs of objects, each as often as it was sent."""
        return [r["target"] for r in self.log() if r["method"] == "GET" and "list-type=2" not in r["target"]]


@contextlib.contextmanager
def fault_proxy(shared, server):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, str(shared / "servers/fault-proxy"), "run", "-p", str(port), "-u", server.url.removeprefix("http://")]
    with running(command, url + "/__fault/rules"):
        yield FaultProxy(url)


@contextlib.contextmanager
def scripted(answer):
    """A server that plays `answer(method, path) -> (status, headers, body)`, keep-alive, one thread a connection."""
    import http.server
    import threading

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else the body waits for the ACK of the header: 40 ms

        def do_GET(self):
            status, headers, body = answer(self.command, self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *args):
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

        def handle_error(self, request, client_address):
            pass  # clients that leave in the middle are the point

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def scripted_bucket(keys, body, delay=0.0):
    """`answer` for scripted(): a bucket of `keys` (sorted), each object `body(key)`, GETs `delay` seconds late."""
    import bisect
    import hashlib
    from urllib.parse import parse_qs, unquote, urlsplit

    def answer(method, path):
        parts = urlsplit(path)
        query = {k: v[0] for k, v in parse_qs(parts.query, keep_blank_values=True).items()}
        if query.get("list-type") != "2":
            time.sleep(delay)
            data = body(unquote(parts.path).split("/", 2)[2])
            return 200, {"ETag": f'"{hashlib.md5(data).hexdigest()}"', "Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT"}, data
        prefix, limit = query.get("prefix", ""), min(int(query.get("max-keys", 1000)), 1000)
        after = query.get("continuation-token") or query.get("start-after") or ""
        first = max(bisect.bisect_right(keys, after), bisect.bisect_left(keys, prefix))
        page = [k for k in keys[first : first + limit] if k.startswith(prefix)]
        more = len(page) == limit and first + limit < len(keys)
        rows = "".join(
            f"<Contents><Key>{k}</Key><LastModified>2020-01-01T00:00:00.000Z</LastModified><ETag>&quot;{hashlib.md5(body(k)).hexdigest()}"
            f"&quot;</ETag><Size>{len(body(k))}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for k in page
        )
        token = f"<NextContinuationToken>{page[-1]}</NextContinuationToken>" if more else ""
        text = (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>b</Name><EncodingType>url</EncodingType>'
            f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{token}{rows}</ListBucketResult>"
        )
        return 200, {"Content-Type": "application/xml"}, text.encode()

    return answer
