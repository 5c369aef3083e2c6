"""The gRPC service of sign-ins: messages to ideas and back, no logic."""

from pagemesh.auth.v1 import signin_pb2, signin_pb2_grpc
from services.auth import convert
from services.auth.sign_in import SignIn


class SignInServicer(signin_pb2_grpc.SignInServiceServicer):
    """Both steps of a sign-in."""

    def __init__(self, sign_in: SignIn) -> None:
        self._sign_in = sign_in

    async def BeginSignIn(
        self, request: signin_pb2.BeginSignInRequest, context: object
    ) -> signin_pb2.BeginSignInResponse:
        """Where to send the browser."""
        url = await self._sign_in.begin(request.provider, request.code_challenge)
        return signin_pb2.BeginSignInResponse(authorization_url=url)

    async def FinishSignIn(
        self, request: signin_pb2.FinishSignInRequest, context: object
    ) -> signin_pb2.FinishSignInResponse:
        """Opens a session."""
        user, tokens, events = await self._sign_in.finish(
            request.provider, request.code, request.state, request.code_verifier
        )
        return signin_pb2.FinishSignInResponse(
            user=convert.user(user), tokens=convert.tokens(tokens), events=map(convert.event, events)
        )
