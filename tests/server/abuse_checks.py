"""HTTP from those who mean ill, or cannot do better: answered with what is wrong, and the connection closed."""
import socket, time

from server_harness import check, server

HOST = b"Host: localhost\r\n"
GET = b"GET /health HTTP/1.1\r\n" + HOST
POST = b"POST /tokenize HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
BODY = b'{"content": "a"}'


def strict():
    """Small limits and short times."""
    return server("--header-timeout", "1", "--timeout", "1", "--max-body", "100000", "--max-connections", "50")


def status_of(raw):
    return int(raw.split(b" ", 2)[1]) if raw.startswith(b"HTTP/1.1 ") else None


# Name, bytes, statuses that are right. After each the server closes.
REQUEST_LINES = [
    ("no request", b"hello\r\n\r\n", {400}),
    ("nothing but line ends", b"\r\n" * 100, {400}),
    ("HTTP/0.9", b"GET /health\r\n\r\n", {400}),
    ("HTTP/0.9 without a blank line", b"GET /health\r\n", {400, 408}),
    ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000"), {400}),
    ("version 2", b"GET /health HTTP/2.0\r\n" + HOST + b"\r\n", {400}),
    ("version 1.2", b"GET /health HTTP/1.2\r\n" + HOST + b"\r\n", {400}),
    ("version of one digit", b"GET /health HTTP/1\r\n" + HOST + b"\r\n", {400}),
    ("version in small letters", b"GET /health http/1.1\r\n" + HOST + b"\r\n", {400}),
    ("words behind the version", b"GET /health HTTP/1.1 x\r\n" + HOST + b"\r\n", {400}),
    ("two blanks", b"GET  /health HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    ("blank in the target", b"GET /health now HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    ("tab instead of a blank", b"GET\t/health\tHTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    ("no method", b" /health HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    ("method of other characters", b"G(T /health HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    ("unknown method", b"BREW /health HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", {405, 501}),
    ("method in small letters", b"get /health HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", {400, 405, 501}),
    ("giant method", b"A" * 200000 + b" / HTTP/1.1\r\n" + HOST + b"\r\n", {400, 431}),
    ("trace", b"TRACE / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", {404, 405, 501}),
    ("connect", b"CONNECT example.com:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", {400, 404, 405}),
    ("giant target", b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", {431}),
    ("target of a megabyte", b"GET /" + b"a" * 1000000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", {431}),
    ("control character in the target", b"GET /\x01 HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    ("zero byte in the target", b"GET /health\0 HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    ("target that is no path", b"GET health HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    ("target with a fragment", b"GET /health#a HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    ("TLS at a plain port", bytes.fromhex("16030100c8010000c40303") + b"\0" * 190, {400}),
]
HEADERS = [
    ("bare line feeds", b"GET /health HTTP/1.1\nHost: localhost\n\n", {400}),
    ("one bare line feed", b"GET /health HTTP/1.1\r\nHost: localhost\nX: a\r\n\r\n", {400}),
    ("bare carriage return", b"GET /health HTTP/1.1\r\nHost: localhost\rX: a\r\n\r\n", {400}),
    ("carriage return in a value", GET + b"X: a\rb\r\n\r\n", {400}),
    ("header without colon", b"GET /health HTTP/1.1\r\nHost localhost\r\n\r\n", {400}),
    ("blank before the colon", b"GET /health HTTP/1.1\r\nHost : localhost\r\n\r\n", {400}),
    ("blank in a name", GET + b"X Y: a\r\n\r\n", {400}),
    ("empty name", GET + b": a\r\n\r\n", {400}),
    ("name of other characters", GET + b"X(Y): a\r\n\r\n", {400}),
    ("blank before the first header", b"GET /health HTTP/1.1\r\n Host: localhost\r\n\r\n", {400}),
    ("folded header", GET + b"X: a\r\n b\r\n\r\n", {400}),
    ("header folded at its beginning", GET + b"X:\r\n\ta\r\n\r\n", {400}),
    ("folded coding", POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", {400}),
    ("zero byte in a header", GET + b"X: a\0b\r\n\r\n", {400}),
    ("no host", b"GET /health HTTP/1.1\r\n\r\n", {400}),
    ("two hosts", GET + b"Host: evil\r\n\r\n", {400}),
    ("giant header", GET + b"X: " + b"a" * 200000 + b"\r\n\r\n", {431}),
    ("giant name", GET + b"X" * 200000 + b": a\r\n\r\n", {431}),
    ("many headers", GET + b"X: a\r\n" * 30000 + b"\r\n", {431}),
    ("slow headers", b"GET /health HTTP/1.1\r\nHost: loc", {408}),
    ("slow request line", b"G", {408}),
]
LENGTHS = [
    ("two lengths", POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", {400}),
    ("the same length twice", POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", {400}),
    ("a list of lengths", POST + b"Content-Length: 2, 2\r\n\r\n{}", {400}),
    ("length with a sign", POST + b"Content-Length: +2\r\n\r\n{}", {400}),
    ("negative length", POST + b"Content-Length: -1\r\n\r\n", {400}),
    ("length in hexadecimal", POST + b"Content-Length: 0x10\r\n\r\n", {400}),
    ("length with a fraction", POST + b"Content-Length: 2.0\r\n\r\n{}", {400}),
    ("length with a blank", POST + b"Content-Length: 1 6\r\n\r\n" + BODY, {400}),
    ("empty length", POST + b"Content-Length:\r\n\r\n{}", {400}),
    ("huge length", POST + b"Content-Length: 99999999999\r\n\r\n", {413}),
    ("length beyond all numbers", POST + b"Content-Length: 99999999999999999999999\r\n\r\n", {400, 413}),
    ("length of 2^64 and a little", POST + b"Content-Length: 18446744073709551618\r\n\r\n{}", {400, 413}),
    ("length and chunked", POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400, 501}),
    ("chunked and length", CHUNKED + b"Content-Length: 2\r\n\r\n0\r\n\r\n", {400, 501}),
    ("chunked twice", CHUNKED + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400, 501}),
    ("chunked and identity", CHUNKED + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n", {400, 501}),
    ("unknown coding", POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", {400, 501}),
    ("coding behind chunked", POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", {400, 501}),
    ("coding of its own", POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", {400, 501}),
    ("coding in quotes", POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n', {400, 501}),
    ("coding with a tab", POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", {400, 501}),
    ("empty coding", POST + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n", {400, 501}),
    ("chunked in HTTP/1.0", b"POST /tokenize HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400, 501}),
    ("compressed body", POST + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", {415}),
    ("another expectation", POST + b"Expect: miracles\r\nContent-Length: 2\r\n\r\n{}", {417}),
    ("slow body", POST + b"Content-Length: 50\r\n\r\n{", {408}),
    ("half a body", POST + b"Content-Length: 5000\r\n\r\n" + BODY, {408}),
]
CHUNKS = [
    ("chunk size that is no number", CHUNKED + b"\r\nzz\r\n", {400}),
    ("empty chunk size", CHUNKED + b"\r\n\r\n0\r\n\r\n", {400}),
    ("chunk size with a sign", CHUNKED + b"\r\n+2\r\n{}\r\n0\r\n\r\n", {400}),
    ("negative chunk size", CHUNKED + b"\r\n-2\r\n{}\r\n0\r\n\r\n", {400}),
    ("chunk size with 0x", CHUNKED + b"\r\n0x2\r\n{}\r\n0\r\n\r\n", {400}),
    ("chunk size beyond all numbers", CHUNKED + b"\r\n" + b"f" * 40 + b"\r\n", {400, 413}),
    ("chunk size of 2^64 and a little", CHUNKED + b"\r\n10000000000000002\r\n{}\r\n0\r\n\r\n", {400, 413}),
    ("chunks beyond the limit", CHUNKED + b"\r\n30000\r\n" + b"a" * 0x30000, {413}),
    ("many chunks beyond the limit", CHUNKED + b"\r\n" + b"1\r\na\r\n" * 120000, {413}),
    ("chunk longer than it says", CHUNKED + b"\r\n2\r\n{}}\r\n0\r\n\r\n", {400}),
    ("chunk size ended by a bare line feed", CHUNKED + b"\r\n2\n{}\r\n0\r\n\r\n", {400}),
    ("chunk ended by a bare line feed", CHUNKED + b"\r\n2\r\n{}\n0\r\n\r\n", {400}),
    ("giant chunk extension", CHUNKED + b"\r\n2;" + b"a" * 200000 + b"\r\n{}\r\n0\r\n\r\n", {400, 413, 431}),
    ("giant trailer", CHUNKED + b"\r\n2\r\n{}\r\n0\r\nX: " + b"a" * 200000 + b"\r\n\r\n", {400, 413, 431}),
    ("trailer that is none", CHUNKED + b"\r\n2\r\n{}\r\n0\r\nX Y\r\n\r\n", {400}),
    ("chunks without an end", CHUNKED + b"\r\n2\r\n{}\r\n", {408}),
    ("garbage instead of chunks", CHUNKED + b"\r\n" + bytes(range(128, 256)) * 4, {400, 408}),
]
ABUSE = REQUEST_LINES + HEADERS + LENGTHS + CHUNKS


@check
def abuse_is_answered_and_the_connection_closed():
    s, wrong = strict(), []
    open_ones = []  # all at once, for those that the server waits for
    for name, data, statuses in ABUSE:
        c = socket.create_connection(("127.0.0.1", s.port), timeout=10)
        open_ones.append((name, c, statuses, data))
        try:
            c.sendall(data)
        except OSError:
            pass  # refused before all of it was sent
        if len(open_ones) == 30 or name == ABUSE[-1][0]:
            for name, c, statuses, data in open_ones:
                out = everything(c)
                if status_of(out) not in statuses or out.count(b"HTTP/1.1 ") != 1:
                    wrong.append((name, out[:200]))
            open_ones = []
    assert not wrong, "\n".join(map(str, wrong))
    assert s.get("/health").status == 200


def everything(connection):
    """What comes until the server closes, or says nothing more."""
    out = b""
    with connection:
        try:
            while piece := connection.recv(65536):
                out += piece
        except ConnectionResetError:
            pass
        except TimeoutError:
            out = b"still open: " + out
    return out


@check
def what_could_be_smuggled_is_never_answered():
    hidden = GET.replace(b"/health", b"/v1/models") + b"\r\n"
    for data in (POST + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (5 + len(hidden)) + hidden,
                 CHUNKED + b"Transfer-Encoding: x\r\n\r\n0\r\n\r\n" + hidden,
                 POST + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(hidden) + hidden,
                 POST + b"Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + hidden,
                 POST + b"X: a\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + hidden,
                 CHUNKED + b"\r\n0;\n\r\n" + hidden, CHUNKED + b"\r\nfffffffffffffffff0\r\n\r\n" + hidden):
        out = strict().raw(data)
        assert status_of(out) in (400, 413, 501) and b'"list"' not in out and out.count(b"HTTP/1.1 ") == 1, (data, out)


@check
def a_body_of_chunks_is_read_however_it_is_cut():
    s = server("--max-queue", "256")
    for chunks in ([BODY], [bytes([b]) for b in BODY], [BODY[:5], BODY[5:]]):
        for extension, trailer in ((b"", b""), (b";a=b", b""), (b";a=\"b;c\"", b"X: y\r\n")):
            data = b"".join(b"%x%s\r\n%s\r\n" % (len(c), extension, c) for c in chunks) + b"0\r\n" + trailer + b"\r\n"
            out = s.raw(CHUNKED + b"Connection: close\r\n\r\n" + data)
            assert status_of(out) == 200 and b'"tokens"' in out, out


@check
def requests_are_read_however_they_are_cut():
    with socket.create_connection(("127.0.0.1", server("--max-queue", "256").port), timeout=20) as c:
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in POST + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(BODY) + BODY:
            c.sendall(bytes([byte]))
        assert status_of(c.recv(65536)) == 200


@check
def slow_bytes_do_not_hold_a_connection():
    for data in (b"X", HOST):  # a byte, or a header, now and then
        with socket.create_connection(("127.0.0.1", strict().port), timeout=20) as s:
            started = time.monotonic()
            s.sendall(b"GET /health HTTP/1.1\r\n" if data == HOST else b"")
            try:
                while time.monotonic() - started < 15:
                    s.sendall(data)
                    s.settimeout(0.2)
                    try:
                        if s.recv(1) != b"":
                            continue
                        break
                    except TimeoutError:
                        pass
            except OSError:
                pass
            assert time.monotonic() - started < 10, "a little at a time kept it open"


@check
def pipelined_requests_are_answered_in_order():
    one = GET + b"\r\n"
    last = GET.replace(b"/health", b"/v1/models") + b"Connection: close\r\n\r\n"
    out = strict().raw(one + POST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY + CHUNKED + b"\r\n10\r\n" + BODY + b"\r\n0\r\n\r\n" + one + last)
    assert out.count(b"HTTP/1.1 200 OK") == 5 and out.rindex(b'"list"') > out.rindex(b'"ok"') > out.rindex(b'"tokens"'), out
    out = strict().raw(one + b"garbage\r\n\r\n" + one)  # what stands before it is answered, what comes after is not
    assert out.count(b"HTTP/1.1 200 OK") == 1 and out.count(b"HTTP/1.1 400 ") == 1 and out.count(b"HTTP/1.1 ") == 2, out
    out = strict().raw(one * 200 + last)
    assert out.count(b"HTTP/1.1 200 OK") == 201
