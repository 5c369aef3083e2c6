"""The provider's pages; imported once Django is set up."""

import json
from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from oauth2_provider.oauth2_validators import OAuth2Validator

from tests.support.openid import PASSWORD

CLAIMS: dict[str, dict[str, Any]] = {}


class Validator(OAuth2Validator):  # type: ignore[misc]  # it has no types
    """The toolkit's own, with the claims that people were told with."""

    def get_additional_claims(self, request: Any) -> dict[str, Any]:
        """Claims of whoever logged in."""
        return CLAIMS[request.user.username]


@csrf_exempt  # type: ignore[untyped-decorator]
def tell(request: HttpRequest, name: str) -> HttpResponse:
    """Takes somebody in, or what has changed about them; answers their subject."""
    CLAIMS[name] = json.loads(request.body)
    if not User.objects.filter(username=name).exists():
        User.objects.create_user(name, password=PASSWORD)
    return HttpResponse(str(User.objects.get(username=name).pk))


urlpatterns = [
    path("people/<name>", tell),
    path("login", LoginView.as_view()),
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
]
