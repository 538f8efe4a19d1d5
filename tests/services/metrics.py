"""Receivers of metrics on this machine: a StatsD by UDP, and an OpenTelemetry collector by HTTP."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

Gauge = tuple[str, float]
"""Name and value."""


@contextmanager
def listening_statsd() -> Iterator[tuple[int, dict[str, str]]]:
    """Listens for datagrams; its port, and the last value and type of each metric."""
    found: dict[str, str] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))

        def listen() -> None:
            while datagram := receiver.recv(65535):
                for line in datagram.decode().splitlines():
                    name, _, value = line.partition(":")
                    found[name] = value

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        port = receiver.getsockname()[1]
        yield port, found
        receiver.sendto(b"", ("127.0.0.1", port))  # ends it
        thread.join()


class _Collector(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        request = ExportMetricsServiceRequest()
        request.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.gauge.data_points:
                        value = point.as_double or point.as_int
                        self.server.gauges.append((metric.name, float(value)))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.end_headers()
        self.wfile.write(ExportMetricsServiceResponse().SerializeToString())

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def listening_collector() -> Iterator[tuple[str, list[Gauge]]]:
    """Listens for OTLP; its address, and the gauges in the order of their arrival."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Collector)
    server.gauges = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", server.gauges  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()
    thread.join()
