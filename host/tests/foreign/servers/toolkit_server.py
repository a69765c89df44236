"""The authorization server of django-oauth-toolkit (PyPI), configured for a device: its own pages, views and tables, and a resource
that its decorator protects.
"""

import django
from django.conf import settings
from django.core.management import call_command

from recording import serve

SCOPE = "punches"
LOGIN = '<form method="post">{% csrf_token %}{{ form }}<input type="hidden" name="next" value="{{ next }}"></form>'


def make(origin):
    settings.configure(
        SECRET_KEY="for a test",
        ALLOWED_HOSTS=["127.0.0.1"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "oauth2_provider",
        ],
        LOGIN_URL="/login/",
        LOGGING={
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"console": {"class": "logging.StreamHandler"}},
            "root": {"handlers": ["console"]},
        },
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        OAUTH2_PROVIDER={
            # Soon due for a renewal.
            "ACCESS_TOKEN_EXPIRE_SECONDS": 35,
            "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
            "OAUTH_DEVICE_VERIFICATION_URI": f"{origin}/device/",
            "OIDC_ISS_ENDPOINT": origin,
            "SCOPES": {SCOPE: "Record punches"},
        },
        ROOT_URLCONF=__name__,
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    "context_processors": ["django.template.context_processors.request"],
                    "loaders": [
                        ("django.template.loaders.locmem.Loader", {"registration/login.html": LOGIN}),
                        "django.template.loaders.app_directories.Loader",
                    ],
                },
            }
        ],
        USE_TZ=True,
    )
    django.setup()
    call_command("migrate", verbosity=0)
    make_clients()
    publish()
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


def make_clients():
    from django.contrib.auth.models import User
    from oauth2_provider.models import Application

    User.objects.create_user("anna", password="a password")
    Application.objects.create(
        client_id="punchcard-device",
        client_type=Application.CLIENT_PUBLIC,
        authorization_grant_type=Application.GRANT_DEVICE_CODE,
    )
    Application.objects.create(
        client_id="punchcard-web",
        client_secret="the-secret-of-the-web",
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        # The port of a loopback address is not compared (RFC 8252 section 7.3).
        redirect_uris="http://127.0.0.1/return",
    )


def publish():
    global urlpatterns
    from django.contrib.auth.views import LoginView
    from django.http import HttpResponse, JsonResponse
    from django.urls import include, path
    from django.utils import timezone
    from django.views.decorators.csrf import csrf_exempt
    from oauth2_provider.decorators import protected_resource
    from oauth2_provider.models import AccessToken

    @csrf_exempt
    # With the answers of RFC 6750: without it, a token that has ended is answered with 403.
    @protected_resource(scopes=[SCOPE], advertise_metadata=True)
    def rows(request):
        return JsonResponse({}, status=201)

    # An administrator ends an access token, and nothing else of its grant.
    @csrf_exempt
    def forget(request):
        AccessToken.objects.filter(token=request.POST["token"]).update(expires=timezone.now())
        return HttpResponse()

    urlpatterns = [
        path("login/", LoginView.as_view()),
        path("rows", rows),
        path("forget", forget),
        path("", include("oauth2_provider.urls", namespace="oauth2_provider")),
    ]


serve(make)
