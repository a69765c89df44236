"""Serves a WSGI application on loopback, and tells the test that started it what was asked.

It prints its address, and then each request with its answer as a line of JSON, secrets and all.
"""

import io
import json
from wsgiref.simple_server import WSGIRequestHandler, make_server


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


def serve(make_application):
    """`make_application` is given the origin at which it is served."""
    server = make_server("127.0.0.1", 0, None, handler_class=Quiet)
    origin = f"http://127.0.0.1:{server.server_port}"
    server.set_app(record(make_application(origin)))
    print(f"listening on {origin}", flush=True)
    server.serve_forever()


def record(application):
    def recorded(environ, start_response):
        received = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(received)
        begun = {}

        def note(status, headers, *more):
            begun["status"] = int(status.split()[0])
            begun["location"] = dict((name.lower(), value) for name, value in headers).get("location", "")
            return start_response(status, headers, *more)

        answer = application(environ, note)
        sent = b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
        query = environ.get("QUERY_STRING")
        exchange = {
            "method": environ["REQUEST_METHOD"],
            "url": environ["PATH_INFO"] + (f"?{query}" if query else ""),
            "authorization": environ.get("HTTP_AUTHORIZATION", ""),
            "body": received.decode(),
            "answer": sent.decode(),
            **begun,
        }
        print(json.dumps(exchange), flush=True)
        return [sent]

    return recorded
