"""Reads a document and asks for a summary, over gRPC: `python samples/grpc_client.py FILE`."""

import json
import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import grpc
from google.protobuf.json_format import MessageToDict
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from pagemesh.auth.v1.clients_pb2 import ClientCredentials, IssueTokenRequest
from pagemesh.auth.v1.clients_pb2_grpc import OAuthServiceStub
from pagemesh.ingest.v1.ingest_pb2 import UploadConfig, UploadRequest, UploadResponse
from pagemesh.ingest.v1.ingest_pb2_grpc import IngestServiceStub
from pagemesh.results.v1.analysis_pb2 import Analysis, AnalysisConfig
from pagemesh.results.v1.job_pb2 import Job, JobConfig, JobState
from pagemesh.results.v1.page_pb2 import Page
from pagemesh.results.v1.results_pb2 import (
    ListAnalysesRequest,
    StreamPagesRequest,
    SubmitAnalysisRequest,
    WatchJobRequest,
)
from pagemesh.results.v1.results_pb2_grpc import DocumentServiceStub, JobServiceStub

CHUNK_BYTES = 256 << 10
SECONDS = 10
RETRIES = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 3,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}


def connect(service: str, usual: str) -> grpc.Channel:
    """A channel to a service; calls that find it away are tried again."""
    target = os.environ.get(f"PAGEMESH_{service}_URL", usual)
    return grpc.insecure_channel(target, [("grpc.service_config", json.dumps(RETRIES))])


class Client:
    """A program with a token of an OAuth client, which is for one organization and some scopes."""

    def __init__(self, client_id: str, secret: str) -> None:
        results = connect("RESULTS", "127.0.0.1:7005")
        self.ingest = IngestServiceStub(connect("INGEST", "127.0.0.1:7002"))
        self.jobs, self.documents = JobServiceStub(results), DocumentServiceStub(results)
        credentials = ClientCredentials(client_id=client_id, client_secret=secret)
        wanted = ["documents.write", "documents.read", "jobs.read", "enrichment.write", "enrichment.read"]
        oauth = OAuthServiceStub(connect("AUTH", "127.0.0.1:7001"))
        token = oauth.IssueToken(IssueTokenRequest(client=credentials, scopes=wanted), timeout=SECONDS)
        self.metadata = (("authorization", f"Bearer {token.access_token}"),)

    def upload(self, file: Path) -> UploadResponse:
        """Stores the file and starts reading it."""
        config = UploadConfig(
            document_id=str(uuid.uuid4()),  # keep both ids, to send them again when no answer comes
            job_id=str(uuid.uuid4()),
            original_filename=file.name,
            max_bytes=file.stat().st_size,
            job=JobConfig(languages="eng"),
            priority=5,
        )
        return self.ingest.Upload(pieces(file, config), timeout=300, metadata=self.metadata)

    def follow(self, job_id: str) -> Job:
        """The job once it has ended; tells of every change until then."""
        job = Job()
        for told in self.jobs.WatchJob(WatchJobRequest(job_id=job_id), timeout=300, metadata=self.metadata):
            job = told.job
            print(f"{job.stage}: {job.progress} %")
        if job.state != JobState.JOB_STATE_COMPLETED:
            raise SystemExit(f"{job.error.code}: {job.error.message}")
        return job

    def pages(self, document_id: str) -> Iterator[Page]:
        """The document's pages in order, as they come."""
        request = StreamPagesRequest(document_id=document_id)
        for told in self.documents.StreamPages(request, timeout=60, metadata=self.metadata):
            yield told.page

    def summarize(self, document_id: str) -> Analysis:
        """A summary of the document."""
        request = SubmitAnalysisRequest(
            document_id=document_id,
            job_id=str(uuid.uuid4()),
            config=AnalysisConfig(analysis_type="summary"),
            priority=5,
        )
        self.follow(self.jobs.SubmitAnalysis(request, timeout=SECONDS, metadata=self.metadata).job.id)
        wanted = ListAnalysesRequest(document_id=document_id, analysis_type="summary")
        return self.documents.ListAnalyses(wanted, timeout=SECONDS, metadata=self.metadata).analyses[0]


def pieces(file: Path, config: UploadConfig) -> Iterator[UploadRequest]:
    """What to do first, then the bytes."""
    yield UploadRequest(config=config)
    with file.open("rb") as content:
        while chunk := content.read(CHUNK_BYTES):
            yield UploadRequest(chunk=chunk)


def why(error: grpc.RpcError) -> str:
    """The reason and the sentence of an error, with what belongs to it."""
    status = rpc_status.from_call(error)
    info = ErrorInfo()
    for detail in status.details if status else ():
        detail.Unpack(info)
    return f"{info.reason or error.code().name}: {error.details()} {dict(info.metadata)}"


def main() -> None:
    """Uploads, follows, reads, asks."""
    try:
        client = Client(os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"])
        uploaded = client.upload(Path(sys.argv[1]))
        client.follow(uploaded.job.id)
        for page in client.pages(uploaded.document.id):
            print(f"--- page {page.number}\n{page.text}")
        print(json.dumps(MessageToDict(client.summarize(uploaded.document.id).result_data), indent=2))
    except grpc.RpcError as error:
        raise SystemExit(why(error)) from error


if __name__ == "__main__":
    main()
