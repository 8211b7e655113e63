"""What Prometheus reads."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

from gateway.search_gate import SearchGate

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)


class Metrics:
    """The gateway's own figures, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "viewfinder_http_requests",
            "Requests answered",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.latency = Histogram(
            "viewfinder_http_request_seconds",
            "From the request's head to the answer's last byte",
            ("method", "route"),
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "viewfinder_http_requests_in_flight",
            "Requests being answered",
            registry=self.registry,
        )
        self.hops = Histogram(
            "viewfinder_search_hop_seconds",
            "Where a search spends its time",
            ("hop",),
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self.recall = Gauge(
            "viewfinder_search_recall_at_10",
            "Share of the ten best that searches find, of those that were compared",
            registry=self.registry,
        )
        self.recall.set(float("nan"))  # not 0: nothing was measured
        self.recall_samples = Gauge(
            "viewfinder_search_recall_samples",
            "Searches that the recall is the mean of",
            registry=self.registry,
        )
        self.vectors = Gauge(
            "viewfinder_vectors", "Vectors in the collection", registry=self.registry
        )
        self.cache = Counter(
            "viewfinder_search_cache",
            "Searches by what became of them: hit (kept answer), shared (with an equal one under"
            " way), miss, bypass (nothing can be kept now)",
            ("outcome",),
            registry=self.registry,
        )
        self.shed = Counter(
            "viewfinder_searches_shed", "Searches turned away with 429", registry=self.registry
        )
        self.searches_limit = Gauge(
            "viewfinder_searches_limit",
            "How many searches may run at once now; 0: any number",
            registry=self.registry,
        )
        self.searches_in_flight = Gauge(
            "viewfinder_searches_in_flight", "Searches that run", registry=self.registry
        )
        self.searches_waiting = Gauge(
            "viewfinder_searches_waiting", "Searches that wait to be let in", registry=self.registry
        )
        self.vision = Counter(
            "viewfinder_vision_model_calls",
            "What the vision model was asked for (answer, rerank, explain), by what became of it:"
            " answered, or the code of the error",
            ("what", "outcome"),
            registry=self.registry,
        )
        self.first_token = Histogram(
            "viewfinder_answer_first_token_seconds",
            "From a question to the first piece of its answer",
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self.files = Counter(
            "viewfinder_uploaded_files",
            "Files of uploads by what became of them",
            ("outcome",),
            registry=self.registry,
        )
        self.upload_bytes = Counter(
            "viewfinder_uploaded_bytes", "Bytes of files received", registry=self.registry
        )

    def watch(self, gate: SearchGate) -> None:
        """Ask this gate when somebody asks."""
        self.searches_limit.set_function(lambda: gate.limit)
        self.searches_in_flight.set_function(lambda: gate.in_flight)
        self.searches_waiting.set_function(lambda: gate.waiting)

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self.registry)
