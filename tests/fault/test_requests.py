"""Faults are swept: request k fails, k = 1, 2, 3... until a run meets no fault, once and for ever, in each of twelve ways.

Allowed outcomes: the right rows, or an error that names the bucket or the object. Nothing else, and no hang.
"""
import hashlib
import socket
import sqlite3
import struct
import threading
from urllib.parse import unquote, urlsplit

import pytest
import servers

KEYS = ["apple/apple_01.jpg", "banana/banana_01.jpg", "lemon/lemon_01.jpg"]
FAULTS = {
    "closed": b"",
    "reset": None,
    "cut in the header": b"HTTP/1.1 200 OK\r\nContent-Le",
    "cut in the body": lambda good: good[: good.index(b"\r\n\r\n") + 4 + 20],
    "reset in the body": lambda good: (good[: good.index(b"\r\n\r\n") + 4 + 20], "reset"),
    "not HTTP": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "500": (500, "InternalError"),
    "503": (503, "SlowDown"),
    "403": (403, "AccessDenied"),
    "404": (404, "NoSuchKey"),
    "412": (412, "PreconditionFailed"),
    "garbled": lambda good: good[: good.index(b"\r\n\r\n") + 4] + bytes(255 - b for b in good[good.index(b"\r\n\r\n") + 4 :]),
}


def http(status, body, headers=""):
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


class Bucket:
    """A server that serves the three images and breaks the requests it is told to break."""

    def __init__(self, photos):
        self.photos, self.fault, self.first, self.for_ever = photos, None, 0, False
        self.seen, self.broken, self.lock = 0, 0, threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def good(self, target):
        parts = urlsplit(target)
        key = unquote(parts.path)[8:]
        if "list-type=2" in parts.query:
            rows = "".join(
                f"<Contents><Key>{k}</Key><LastModified>2020-01-01T00:00:00.000Z</LastModified>"
                f"<ETag>&quot;{hashlib.md5(b).hexdigest()}&quot;</ETag><Size>{len(b)}</Size></Contents>" for k, b in sorted(self.photos.items()))
            return http(200, f"<ListBucketResult><Name>bucket</Name><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>".encode())
        body = self.photos[key]
        return http(200, body, f'ETag: "{hashlib.md5(body).hexdigest()}"\r\n')

    def answer(self, target):
        """(bytes, how the connection ends)"""
        good = self.good(target)
        with self.lock:
            self.seen += 1
            broken = self.seen == self.first or (self.for_ever and self.seen > self.first)
            self.broken += broken
        if not broken:
            return good, None
        fault = self.fault
        if fault is None:
            return b"", "reset"
        if isinstance(fault, bytes):
            return fault, "close"
        if isinstance(fault, tuple):
            status, code = fault
            return http(status, f"<Error><Code>{code}</Code><Message>told to</Message><RequestId>R1</RequestId></Error>".encode()), None
        bad = fault(good)
        return bad if isinstance(bad, tuple) else (bad, "close")

    def serve(self, connection):
        data = b""
        with connection:
            while True:
                while b"\r\n\r\n" not in data:
                    try:
                        more = connection.recv(65536)
                    except OSError:
                        return
                    if not more:
                        return
                    data += more
                head, _, data = data.partition(b"\r\n\r\n")
                out, end = self.answer(head.split(b" ")[1].decode())
                try:
                    connection.sendall(out)
                except OSError:
                    return
                if end == "reset":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if end:
                    return


@pytest.fixture(scope="module")
def bucket(examples):
    b = Bucket({k: (examples / k).read_bytes() for k in KEYS})
    yield b
    b.close()


BODIES = {
    "list": "SELECT key, size FROM s3_objects('bucket')",
    "get": "SELECT key, s3_get(key) FROM s3_objects('bucket')",
    "embed": "SELECT key, embed(s3_get(key)) FROM s3_objects('bucket')",
}


@pytest.mark.parametrize("for_ever", [False, True], ids=["once", "for ever"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("body", BODIES)
def test_request_k_fails(bucket, connect, body, fault, for_ever):
    con = connect(endpoint_url=bucket.url, region="us-east-1", aws_access_key_id="k", aws_secret_access_key="verysecret")
    bucket.first, bucket.for_ever, bucket.fault = 0, False, FAULTS[fault]
    right = con.execute(BODIES[body]).fetchall()
    assert len(right) == 3
    for k in range(1, 100):
        bucket.seen, bucket.broken, bucket.first, bucket.for_ever = 0, 0, k, for_ever
        try:
            rows = con.execute(BODIES[body]).fetchall()
            if fault == "garbled" and body == "get" and bucket.broken:
                continue  # S3 sends no checksum here: a body of the right length passes
            assert rows == right
        except sqlite3.Error as e:
            assert bucket.broken, f"failed without a fault: {e}"
            assert "verysecret" not in str(e)
            assert "s3://bucket" in str(e) or "127.0.0.1" in str(e), str(e)
        if not bucket.broken:
            assert k > 1
            return
    pytest.fail("the sweep does not end")


def test_what_should_be_retried_is(bucket, con):
    """One failure of the kinds that pass by themselves costs a retry, not the statement."""
    for name, value in dict(endpoint_url=bucket.url, region="us-east-1", aws_access_key_id="k", aws_secret_access_key="s").items():
        con.execute("SELECT s3_config(?, ?)", (name, value))
    for fault in ("closed", "reset", "cut in the header", "cut in the body", "reset in the body", "500", "503"):
        for k in (1, 2, 3, 4):
            bucket.seen, bucket.first, bucket.for_ever, bucket.fault = 0, k, False, FAULTS[fault]
            assert len(con.execute(BODIES["get"]).fetchall()) == 3, (fault, k)
