"""Measures the peer and the bare route: `python -m benchmarks.peers.measure samples/one-page.pdf`."""

import argparse
import asyncio
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.bare import JOB_PATH, running_bare
from benchmarks.load import (
    JobFailed,
    Latency,
    Submit,
    Throughput,
    documents_per_second,
    finished_job,
    submit_to_result,
)
from benchmarks.peers.runner import running_peer
from benchmarks.polls import PollRate, PollSpec, polls_per_second
from benchmarks.wire import Answer


@dataclass(frozen=True, slots=True)
class Figures:
    """The three measurements of one service."""

    latency: Latency
    throughput: Throughput
    polls: PollRate


def job_path(answer: Answer) -> str:
    """Where the peer answers the status of a submitted document."""
    return f"/documents/{json.loads(answer.body)['id']}"


def finished(body: bytes) -> bool:
    """Whether the peer has the result. Raises JobFailed when it could not read the document."""
    status = json.loads(body)
    if status["status"] == "failed":
        raise JobFailed(status["error"])
    return bool(status["status"] == "completed")


PEER = Submit(path="/documents", job_path=job_path, finished=finished)


async def measure(base_url: str, submit: Submit, pdf: bytes) -> Figures:
    """Latency, documents per second and polls per second of a running service, in this order, one after another."""
    latency = await submit_to_result(base_url, submit, pdf)
    throughput = await documents_per_second(base_url, submit, pdf)
    path = await finished_job(base_url, submit, pdf)
    polls = await polls_per_second(base_url, PollSpec(path, {**submit.headers, **submit.poll_headers}))
    return Figures(latency, throughput, polls)


async def measure_peer(pdf: bytes) -> Figures:
    """Run the peer in a temporary directory and measure it."""
    with tempfile.TemporaryDirectory() as directory:
        async with running_peer(Path(directory)) as base_url:
            return await measure(base_url, PEER, pdf)


async def measure_bare() -> PollRate:
    """Polls per second of the bare route."""
    with tempfile.TemporaryDirectory() as directory:
        async with running_bare(Path(directory)) as base_url:
            return await polls_per_second(base_url, PollSpec(JOB_PATH))


async def report(pdf: bytes) -> str:
    """Both sets of figures as JSON."""
    peer, bare = await measure_peer(pdf), await measure_bare()
    rates = {
        "documents_per_second": peer.throughput.per_second,
        "peer_polls_per_second": peer.polls.per_second,
        "bare_polls_per_second": bare.per_second,
    }
    return json.dumps({"rates": rates, "peer": asdict(peer), "bare": asdict(bare)}, indent=2)


def main() -> None:
    """Measure with the PDF that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pdf", type=Path, help="a one-page PDF with a text layer")
    print(asyncio.run(report(parser.parse_args().pdf.read_bytes())))


if __name__ == "__main__":
    main()
