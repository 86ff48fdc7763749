"""Between clients and a server: passes all bytes on as they are, and keeps them, so that what real clients were answered can be validated."""
import contextlib, http.client, io, socket, threading

from server_harness import Answer, audit


class Bytes(io.BytesIO):
    def close(self):
        """Stays open: a response closes what it was read from."""


class Wiretap:
    def __init__(self, port):
        self.server_port, self.connections = port, []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v1"

    def _accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.server_port))
            kept = (bytearray(), bytearray())
            self.connections.append(kept)
            for source, target, copy in ((client, server, kept[0]), (server, client, kept[1])):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pass_on, args=(source, target, copy), daemon=True).start()

    @staticmethod
    def _pass_on(source, target, copy):
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                copy += piece
                target.sendall(piece)
        for end in (source, target):  # a client that hangs up has hung up on the server, too
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def audit(self):
        """Validates all that was answered; the paths."""
        paths = []
        for sent, received in self.connections:
            answers = Bytes(received)
            for method, path in requests_in(io.BytesIO(bytes(sent))):
                answer, whole = next_answer(answers, method)
                if answer is None:
                    break
                audit(method, path, answer, cut=not whole)
                paths.append(path)
                if not whole:
                    break
        return paths


def requests_in(sent):
    """The method and path of each whole request."""
    while line := sent.readline().decode("latin-1").split():
        headers = http.client.parse_headers(sent)
        if headers.get("Transfer-Encoding"):
            while size := int(sent.readline() or b"0", 16):
                sent.read(size + 2)
            sent.readline()
        else:
            sent.read(int(headers.get("Content-Length", 0)))
        yield line[0], line[1]


def next_answer(received, method):
    """The next answer in these bytes and whether it is complete; None when there is none."""

    class Wire:
        makefile = staticmethod(lambda _mode: received)

    response = http.client.HTTPResponse(Wire, method=method)
    try:
        response.begin()
    except (http.client.HTTPException, ConnectionError):
        return None, False
    try:
        return Answer(response.status, response.getheaders(), response.read()), True
    except http.client.IncompleteRead as part:
        return Answer(response.status, response.getheaders(), part.partial), False

