"""A GitHub App: its JWT, its installations, their tokens."""

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

LOG = "/orgs/acme-corp/audit-log"
TOKENS = "/app/installations/5000000/access_tokens"
ISSUED_LATER = "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
TOO_LATE = "'Expiration time' claim ('exp') is too far in the future"
EXPIRED = (
    "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the "
    "assertion expires"
)
UNDECODABLE = "A JSON web token could not be decoded"


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def public(key):
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, kind).decode()


@pytest.fixture
def app(key, noon):
    """Makes the headers of a JWT, by default as GitHub recommends it."""

    def app(issued=-60, expires=540, issuer="Iv23limulatedClient00", signer=key, **claims):
        now = noon // 1000
        claims = {"iat": now + issued, "exp": now + expires, "iss": issuer} | claims
        return {"Authorization": f"Bearer {jwt.encode(claims, signer, algorithm='RS256')}"}

    return app


def body(answer):
    return orjson.loads(answer.body)


@pytest.mark.parametrize("issuer", ["Iv23limulatedClient00", "271828"])
def test_an_app_is_known_by_its_client_id_or_its_number(make, public, app, issuer):
    answer = make(app_public_key=public).ask("/app", app(issuer=issuer))
    assert (answer.status, body(answer)["slug"]) == (200, "log-shipper")


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"issued": 30}, ISSUED_LATER),
        ({"expires": 630}, TOO_LATE),
        ({"expires": 0}, EXPIRED),
        ({"issuer": ""}, "'Issuer' claim ('iss') must be an Integer or the client ID of the App"),
    ],
)  # fmt: skip
def test_a_jwt_must_be_of_this_moment(make, app, claims, message):
    answer = make().ask(TOKENS, app(**claims), "POST")
    assert (answer.status, body(answer)["message"]) == (401, message)


def test_a_clock_a_minute_fast_is_forgiven_by_iat_a_minute_back(make, app):
    github = make()
    github.now -= 60_000
    assert github.ask(TOKENS, app(issued=-60, expires=540), "POST").status == 201
    assert github.ask(TOKENS, app(issued=0, expires=540), "POST").status == 401


def test_a_jwt_that_is_not_signed_by_the_app_is_refused(make, public, app):
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    github = make(app_public_key=public)
    assert body(github.ask("/app", app(signer=other)))["message"] == UNDECODABLE
    assert body(github.ask("/app", {"Authorization": "Bearer no-jwt"}))["message"] == UNDECODABLE
    assert github.ask("/app", app(issuer="999")).status == 404


def test_an_installation_is_found_and_gets_a_token_for_an_hour(make, app):
    github = make(organizations=("acme-corp", "tidewatch"))
    found = body(github.ask("/orgs/acme-corp/installation", app()))
    assert (found["id"], found["account"]["login"]) == (5_000_000, "acme-corp")
    assert [one["id"] for one in body(github.ask("/app/installations", app()))] == [5_000_000, 5_000_001]
    answer = github.ask(TOKENS, app(), "POST")
    assert answer.status == 201
    assert body(answer)["expires_at"] == "2026-03-14T13:00:00Z"
    headers = {"Authorization": f"Bearer {body(answer)['token']}"}
    assert github.ask(LOG, headers).headers["X-RateLimit-Limit"] == "1750"
    assert github.ask("/orgs/acme-corp", headers).headers["X-RateLimit-Limit"] == "15000"
    assert github.ask("/orgs/tidewatch/audit-log", headers).status == 404
    assert body(github.ask("/installation/repositories", headers))["total_count"] == 12
    assert github.ask("/user", headers).status == 403
    github.now += 3_600_000
    assert github.ask(LOG, headers).status == 401


def test_a_token_may_be_narrowed_to_a_part_of_the_permissions(make, app):
    github = make()
    narrow = orjson.dumps({"permissions": {"security_events": "read"}})
    answer = github.ask(TOKENS, app(), "POST", narrow)
    headers = {"Authorization": f"Bearer {body(answer)['token']}"}
    refused = github.ask(LOG, headers)
    assert (refused.status, body(refused)["message"]) == (403, "Resource not accessible by integration")
    assert github.ask("/orgs/acme-corp/code-scanning/alerts", headers).status == 200
    wide = orjson.dumps({"permissions": {"administration": "write"}})
    assert github.ask(TOKENS, app(), "POST", wide).status == 422


def test_a_suspended_installation_gets_no_token_and_its_old_one_is_refused(make, app):
    github = make()
    headers = {"Authorization": f"Bearer {body(github.ask(TOKENS, app(), 'POST'))['token']}"}
    github.world.organizations[0].suspended = True
    for answer in (github.ask(TOKENS, app(), "POST"), github.ask(LOG, headers)):
        assert (answer.status, body(answer)["message"]) == (403, "This installation has been suspended")


def test_what_is_not_installed_is_404(make, app):
    github = make(organizations=("acme-corp",))
    assert github.ask("/orgs/tidewatch/installation", app()).status == 404
    assert github.ask("/app/installations/42/access_tokens", app(), "POST").status == 404


def test_a_jwt_is_no_token_and_a_token_no_jwt(make, app):
    github = make()
    assert body(github.ask(LOG, app()))["message"] == UNDECODABLE
    assert github.ask("/app").status == 401
    assert github.ask("/installation/repositories").status == 403


def test_on_an_enterprise_server_tokens_are_made_below_api_v3(make, app):
    github = make(server_version="3.14.0")
    assert github.ask("/api/v3" + TOKENS, app(), "POST").status == 201
    assert github.ask(TOKENS, app(), "POST").status == 404
