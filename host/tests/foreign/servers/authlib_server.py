"""The authorization server of Authlib with Flask (PyPI), configured for a device: what is kept stands in dictionaries, and the
rest is the library's. It has no discovery document, as Authlib makes none.
"""

import os
import time
from urllib.parse import urlsplit

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc6749.util import list_to_scope, scope_to_list
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7523 import JWTBearerGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint, DeviceCodeGrant, DeviceCredentialDict
from authlib.oauth2.rfc9207 import IssuerParameter
from flask import Flask, request
from joserfc.jwk import ECKey

from recording import serve

SCOPE = "punches"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
PERSON = "anna"
FORM = '<form method="post"><input name="user_code" value="{}"><button name="decision" value="allow">Allow</button></form>'


class Client(ClientMixin):
    def __init__(self, client_id, secret, method, grant_types):
        self.client_id, self.secret, self.method, self.grant_types = client_id, secret, method, grant_types

    def get_client_id(self):
        return self.client_id

    def get_allowed_scope(self, scope):
        return list_to_scope([one for one in scope_to_list(scope or "") if one == SCOPE])

    def check_redirect_uri(self, redirect_uri):
        # RFC 8252 section 7.3: any port of the loopback address.
        parts = urlsplit(redirect_uri)
        return (parts.scheme, parts.hostname, parts.path) == ("http", "127.0.0.1", "/return")

    def check_client_secret(self, client_secret):
        return self.secret == client_secret

    def check_endpoint_auth_method(self, method, endpoint):
        return self.method == method

    def check_response_type(self, response_type):
        return response_type == "code"

    def check_grant_type(self, grant_type):
        return grant_type in self.grant_types


class Kept(dict, TokenMixin, AuthorizationCodeMixin):
    """A token or a code."""

    __getattr__ = dict.get

    def check_client(self, client):
        return self.client_id == client.client_id

    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope

    def get_expires_in(self):
        return self.expires_in

    def is_expired(self):
        return self.issued_at + self.expires_in < time.time()

    def is_revoked(self):
        return bool(self.revoked)


CLIENTS = {
    client.client_id: client
    for client in [
        Client("punchcard-device", "the-secret-of-the-device", "client_secret_basic", [DEVICE_CODE, "refresh_token"]),
        Client("punchcard-web", "the-secret-of-the-web", "client_secret_post", ["authorization_code", "refresh_token"]),
        Client("recorder@authlib.example", None, "none", [JWT_BEARER]),
    ]
}
TOKENS, CODES, DEVICES, DECISIONS = [], {}, {}, {}


def find_token(name, value):
    return next((token for token in TOKENS if token.get(name) == value), None)


def save_token(token, to):
    TOKENS.append(Kept(token, client_id=to.client.client_id, user=to.user, issued_at=time.time()))


class CodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_post"]

    def save_authorization_code(self, code, request):
        data = request.payload.data
        CODES[code] = Kept(
            code=code,
            client_id=request.client.client_id,
            redirect_uri=request.payload.redirect_uri,
            scope=request.payload.scope,
            user=request.user,
            code_challenge=data.get("code_challenge"),
            code_challenge_method=data.get("code_challenge_method"),
        )

    def query_authorization_code(self, code, client):
        found = CODES.get(code)
        return found if found and found.client_id == client.client_id else None

    def delete_authorization_code(self, authorization_code):
        del CODES[authorization_code.code]

    def authenticate_user(self, authorization_code):
        return authorization_code.user


class RefreshGrant(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token):
        token = find_token("refresh_token", refresh_token)
        return token if token and not token.spent else None

    def authenticate_user(self, refresh_token):
        return refresh_token.user

    def revoke_old_credential(self, refresh_token):
        refresh_token["revoked"] = refresh_token["spent"] = True


class DeviceGrant(DeviceCodeGrant):
    def query_device_credential(self, device_code):
        return DEVICES.get(device_code)

    def query_user_grant(self, user_code):
        return DECISIONS.get(user_code)

    def should_slow_down(self, credential):
        # As the RFC 8628 has it in section 3.5: for who asks before the interval is over.
        asked_at, credential["asked_at"] = credential.get("asked_at", 0), time.time()
        return time.time() - asked_at < credential["interval"]


class AssertionGrant(JWTBearerGrant):
    def resolve_issuer_client(self, issuer):
        return CLIENTS.get(issuer)

    def resolve_client_public_key(self, client):
        return ECKey.import_key(os.environ["PUBLIC_KEY"])

    def authenticate_user(self, subject):
        return subject

    def has_granted_permission(self, client, user):
        return True

    def get_audiences(self):
        return [f"{request.host_url}token"]


class Revocation(RevocationEndpoint):
    CLIENT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]

    def query_token(self, token_string, token_type_hint):
        return find_token("refresh_token", token_string) or find_token("access_token", token_string)

    def revoke_token(self, token, request):
        token["revoked"] = token["spent"] = True


class Validator(BearerTokenValidator):
    def authenticate_token(self, token_string):
        return find_token("access_token", token_string)


def make(origin):
    class DeviceEndpoint(DeviceAuthorizationEndpoint):
        CLIENT_AUTH_METHODS = ["client_secret_basic"]

        def get_verification_uri(self):
            return f"{origin}/device"

        def save_device_credential(self, client_id, scope, data):
            expires_at = time.time() + data["expires_in"]
            DEVICES[data["device_code"]] = DeviceCredentialDict(
                data, client_id=client_id, scope=scope, expires_at=expires_at
            )

    class Issuer(IssuerParameter):
        def get_issuer(self):
            return origin

    app = Flask("authlib_server")
    # Soon due for a renewal.
    app.config["OAUTH2_TOKEN_EXPIRES_IN"] = dict.fromkeys(
        ["authorization_code", "refresh_token", DEVICE_CODE, JWT_BEARER], 35
    )
    app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
    app.config["OAUTH2_SCOPES_SUPPORTED"] = [SCOPE]
    server = AuthorizationServer(app, CLIENTS.get, save_token)
    server.register_grant(CodeGrant, [CodeChallenge(required=True)])
    server.register_grant(RefreshGrant)
    server.register_grant(DeviceGrant)
    server.register_grant(AssertionGrant)
    server.register_endpoint(DeviceEndpoint)
    server.register_endpoint(Revocation)
    server.register_extension(Issuer())
    protector = ResourceProtector()
    protector.register_token_validator(Validator())

    @app.route("/authorize", methods=["GET", "POST"])
    def authorize():
        try:
            grant = server.get_consent_grant(end_user=PERSON)
        except OAuth2Error as error:
            return dict(error.get_body()), 400
        if request.method == "GET":
            return FORM.format("")
        person = PERSON if request.form.get("decision") == "allow" else None
        return server.create_authorization_response(grant=grant, grant_user=person)

    @app.route("/device", methods=["GET", "POST"])
    def device():
        if request.method == "GET":
            return FORM.format(request.args.get("user_code", ""))
        DECISIONS[request.form["user_code"]] = (PERSON, request.form.get("decision") == "allow")
        return "<p>Go back to the device."

    @app.post("/device/code")
    def device_code():
        return server.create_endpoint_response(DeviceEndpoint.ENDPOINT_NAME)

    @app.post("/token")
    def token():
        return server.create_token_response()

    @app.post("/revoke")
    def revoke():
        return server.create_endpoint_response(Revocation.ENDPOINT_NAME)

    @app.post("/rows")
    @protector(SCOPE)
    def rows():
        return {}, 201

    # An administrator forgets an access token, and nothing else of its grant.
    @app.post("/forget")
    def forget():
        find_token("access_token", request.form["token"])["revoked"] = True
        return ""

    return app


serve(make)
