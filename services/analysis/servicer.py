"""Proto ⇄ domain."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import grpc

from mesh import identity
from mesh.errors import InvalidArgument, PagemeshError, Unavailable
from pagemesh.analysis.v1.analysis_pb2 import (
    AnalyzeProgress,
    AnalyzeRequest,
    AnalyzeResponse,
    ListModelsRequest,
    ListModelsResponse,
    Model,
)
from pagemesh.analysis.v1.analysis_pb2_grpc import AnalysisServiceServicer
from pagemesh.analysis.v1.estimate_pb2 import EstimateRequest, EstimateResponse
from services.analysis.estimate import Estimates
from services.analysis.faults import AnalysisFault
from services.analysis.llm_settings import LlmSettings
from services.analysis.local import MODEL_VERSION
from services.analysis.user_keys import Asker
from services.analysis.worker import Analyst

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]


class AnalysisServicer(AnalysisServiceServicer):
    """Direct use."""

    def __init__(self, analyst: Analyst, estimates: Estimates, provider: LlmSettings | None) -> None:
        self._analyst = analyst
        self._estimates = estimates
        self._provider = provider

    async def Analyze(self, request: AnalyzeRequest, context: "Context") -> AsyncIterator[AnalyzeResponse]:
        """See the proto."""
        yield AnalyzeResponse(progress=AnalyzeProgress(stage="analyzing"))
        caller = identity.current()
        asker = Asker(caller.organization_id, caller.user_id)
        try:
            outcome = await self._analyst.analyse(list(request.pages), request.config, asker)
        except AnalysisFault as fault:
            raise _error(fault) from fault
        yield AnalyzeResponse(outcome=outcome)

    async def ListModels(self, request: ListModelsRequest, context: "Context") -> ListModelsResponse:
        """See the proto."""
        models = [Model(name=self._provider.model, is_default=True)] if self._provider else []
        models.append(Model(name=MODEL_VERSION, is_default=not models, built_in=True))
        return ListModelsResponse(models=models)

    async def Estimate(self, request: EstimateRequest, context: "Context") -> EstimateResponse:
        """See the proto."""
        caller = identity.current()
        try:
            return await self._estimates.of(request, Asker(caller.organization_id, caller.user_id))
        except AnalysisFault as fault:
            raise _error(fault) from fault


def _error(fault: AnalysisFault) -> PagemeshError:
    kind = Unavailable if fault.retryable else InvalidArgument
    return kind(fault.message, fault.code)
