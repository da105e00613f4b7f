"""A GitHub App: signed, minted, kept, renewed."""

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from shipper.core.errors import Unavailable

MINTS = "access_tokens"
LOG = "/audit-log"
MINUTE = 60_000


@pytest.fixture(scope="module")
def public(key):
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, kind).decode()


@pytest.fixture
def app(trial, pem, public):
    """Makes a receiver that is a GitHub App."""

    async def make(*faults, organizations=("acme-corp",), auth=None, **options):
        t = await trial(*faults, app_public_key=public, organizations=organizations, **options)
        settings = {"client_id": "Iv23limulatedClient00", "private_key": pem} if auth is None else auth
        return await t.start(auth={"app": settings}, organizations=list(organizations))

    return make


async def test_the_installation_is_found_and_its_token_kept_across_polls(app):
    t = await app()
    await t.poll(4)
    assert [(seen.method, seen.path) for seen in t.sim.requests][:3] == [
        ("GET", "/orgs/acme-corp/installation"),
        ("POST", "/app/installations/5000000/access_tokens"),
        ("GET", "/orgs/acme-corp/audit-log"),
    ]
    assert t.statuses(MINTS) == [201]
    assert len(t.statuses(LOG)) == 4


async def test_a_known_installation_is_not_looked_up(app, pem):
    t = await app(auth={"app_id": 271828, "private_key": pem, "installation_id": 5_000_000})
    await t.poll()
    assert t.sim.requests[0].path == "/app/installations/5000000/access_tokens"


async def test_the_signature_is_a_minute_back_and_nine_ahead(app, key, clock):
    t = await app()
    await t.poll()
    token = t.sim.requests[0].headers["Authorization"].removeprefix("Bearer ")
    claims = jwt.decode(
        token, key.public_key(), algorithms=["RS256"], options={"verify_exp": False, "verify_iat": False}
    )
    now = clock.ms // 1000
    assert claims == {"iat": now - 60, "exp": now + 540, "iss": "Iv23limulatedClient00"}


async def test_each_organization_has_a_token_of_its_own(app):
    t = await app(organizations=("acme-corp", "tidewatch"))
    await t.poll(2)
    assert t.statuses(MINTS) == [201, 201]
    tokens = {seen.path: seen.headers["Authorization"] for seen in t.sim.requests if "audit-log" in seen.path}
    assert len(set(tokens.values())) == 2


async def test_a_token_is_renewed_five_minutes_before_it_expires(app, clock):
    t = await app()
    await t.poll()
    clock.ms += 54 * MINUTE
    await t.poll()
    assert t.statuses(MINTS) == [201]
    clock.ms += 2 * MINUTE
    await t.poll()
    assert t.statuses(MINTS) == [201, 201]
    assert set(t.statuses(LOG)) == {200}


async def test_a_token_that_dies_in_the_middle_of_a_backlog_is_replaced_once(app):
    t = await app("audit_log:401#2")
    ids = t.happen(250)
    await t.poll()
    assert t.uids == ids
    assert t.statuses(MINTS) == [201, 201]


async def test_a_fresh_token_that_is_refused_too_is_no_loop(app):
    t = await app("audit_log:401")
    with pytest.raises(Unavailable, match="a fresh one too") as caught:
        await t.poll()
    assert caught.value.blocked
    assert len(t.sim.requests) == 5


@pytest.mark.parametrize("skew", [30, -30, 3600, -3600])
async def test_a_clock_that_is_wrong_is_put_right_by_the_servers(trial, pem, public, clock, skew):
    """Signed at first by our own clock; the refusal tells the server's."""
    t = await trial(app_public_key=public)
    t.sim.clock = Shifted(clock, skew)
    await t.start(auth={"app": {"client_id": "Iv23limulatedClient00", "private_key": pem}})
    await t.poll()
    assert set(t.statuses(LOG)) == {200}
    assert t.statuses(MINTS) == [201]


class Shifted:
    """Another machine's clock."""

    def __init__(self, clock, seconds):
        self._clock, self._ahead = clock, seconds * 10**9

    def now(self):
        return self._clock.now() + self._ahead


async def test_on_an_enterprise_server_tokens_are_minted_there(app):
    t = await app(server_version="3.12")
    await t.poll()
    assert [seen.path for seen in t.sim.requests][1] == "/api/v3/app/installations/5000000/access_tokens"
    assert t.statuses(LOG) == [200]


async def test_a_suspended_installation_says_so(app):
    t = await app()
    t.sim.suspend("acme-corp")
    with pytest.raises(Unavailable, match="on acme-corp is suspended") as caught:
        await t.poll()
    assert caught.value.blocked
    t.sim.suspend("acme-corp", suspended=False)
    await t.poll()


async def test_an_app_that_is_not_installed_says_so(trial, pem, public):
    t = await trial(app_public_key=public)
    app = {"client_id": "Iv23limulatedClient00", "private_key": pem}
    await t.start(auth={"app": app}, organizations=["nobody"])
    with pytest.raises(Unavailable, match="the App is not installed on nobody"):
        await t.poll()


async def test_the_key_of_another_app_says_so(app):
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL
    text = other.private_bytes(encoding, form, serialization.NoEncryption()).decode()
    t = await app(auth={"client_id": "Iv23limulatedClient00", "private_key": text.replace("\n", "\\n")})
    with pytest.raises(Unavailable, match="refuses the App's signature") as caught:
        await t.poll()
    assert "PRIVATE KEY" not in str(caught.value)


async def test_nothing_shows_a_key_or_a_token(app, caplog):
    t = await app()
    await t.poll()
    lane = t.sources[0].conversation.lane
    assert "PRIVATE" not in repr(vars(lane._credentials)) + caplog.text
    assert "ghs_" not in repr(lane._credentials) + caplog.text
