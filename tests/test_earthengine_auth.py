"""Credentials of every kind, from wherever they lie; and what is told when they are no good."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sinkest.doctor import APART, Finding, examine_earthengine
from sinkest.errors import ConfigError, SourceError
from sinkest.imagery.earthengine import Account, Choices, EarthEngineSource
from sinkest.imagery.earthengine.auth import VARIABLE, find_key, places
from tests.servers.earthengine.fixtures import SUMMER, Served, serving, write_key
from tests.servers.earthengine.server import PROJECT
from tests.servers.earthengine.world import World, build

SECRETS = ("good-refresh", "PRIVATE KEY", "very-secret", "token-1")
AT = ("reach", "project", "key", "token", "account", "compute", "pixels")


@pytest.fixture(scope="module")
def world() -> World:
    return build()


@pytest.fixture
def served(world: World, tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path, world) as one:
        yield one


@pytest.fixture(autouse=True)
def _nobody_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home without credentials, and an environment that names none."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in (
        VARIABLE,
        "GOOGLE_APPLICATION_CREDENTIALS",
        "CLOUDSDK_CONFIG",
        "GOOGLE_CLOUD_PROJECT",
        "SINKEST_EE_PROJECT",
    ):
        monkeypatch.delenv(name, raising=False)


def service_key(served: Served) -> dict[str, str]:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "client_email": served.server.tokens.service_account,
        "private_key_id": "1",
        "private_key": pem.decode(),
        "token_uri": f"{served.server.url}/token",
    }


def user_key(served: Served) -> dict[str, str]:
    secrets = {"refresh_token": "good-refresh", "client_id": "c", "client_secret": "very-secret"}
    return {"type": "authorized_user", "token_uri": f"{served.server.url}/token", **secrets}


def works(account: Account, served: Served) -> bool:
    source = EarthEngineSource(account, Choices(2023), sleep=served.waits.append)
    return len(source.search(served.world.grid, SUMMER)) > 0


def test_a_service_account_is_let_in_by_its_signature(served: Served, tmp_path: Path) -> None:
    key = tmp_path / "robot.json"
    key.write_text(json.dumps(service_key(served)), encoding="utf-8")
    assert works(served.account(credentials=key), served)
    assert served.server.tokens.exchanges == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]


def test_an_explicit_project_is_what_is_asked_for(served: Served) -> None:
    assert works(served.account(), served)
    assert {path.split("/")[3].split(":")[0] for path in served.server.requests if path.startswith("/v1/")} == {PROJECT}


def test_without_a_project_nothing_is_asked(served: Served) -> None:
    with pytest.raises(ConfigError, match=r"imagery\.earthengine\.project"):
        works(served.account(project=""), served)
    assert served.server.requests == []


def test_credentials_are_looked_for_in_order(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    anywhere = served.account(credentials=None)
    gcloud = home / ".config" / "gcloud" / "application_default_credentials.json"
    stored = home / ".config" / "earthengine" / "credentials"
    named = tmp_path / "named.json"
    for place, put in ((gcloud, None), (stored, None), (named, "GOOGLE_APPLICATION_CREDENTIALS")):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(user_key(served)), encoding="utf-8")
        if put:
            monkeypatch.setenv(put, str(place))
        assert find_key(anywhere).origin == str(place)
    assert places(anywhere) == [named, stored, gcloud]
    monkeypatch.setenv(VARIABLE, json.dumps(user_key(served)))
    assert find_key(anywhere).origin == VARIABLE
    assert works(anywhere, served)
    assert find_key(served.account()).origin == str(served.key)


def test_no_credentials_name_every_place(served: Served) -> None:
    with pytest.raises(SourceError, match="earthengine authenticate") as caught:
        find_key(served.account(credentials=None))
    for part in (VARIABLE, "earthengine/credentials", "application_default_credentials.json"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        "no JSON, but very-secret",
        '["very-secret"]',
        '{"type": "external_account", "secret": "very-secret"}',
        '{"type": "service_account", "client_email": "a@b", "token_uri": "u", "private_key": "very-secret"}',
        '{"type": "service_account", "private_key": "very-secret"}',
    ],
)
def test_a_key_that_cannot_be_used_is_named_and_not_shown(tmp_path: Path, content: str) -> None:
    key = tmp_path / "bad.json"
    key.write_text(content, encoding="utf-8")
    with pytest.raises(SourceError, match=r"bad\.json cannot be used") as caught:
        find_key(Account(PROJECT, key)).credentials()
    assert "very-secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_key_file_that_is_a_picture(tmp_path: Path) -> None:
    key = tmp_path / "bad.json"
    key.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(SourceError, match=r"bad\.json cannot be used"):
        find_key(Account(PROJECT, key))


def test_a_revoked_token_is_refused_at_once(served: Served, tmp_path: Path) -> None:
    write_key(tmp_path, served.server, "revoked")
    with pytest.raises(SourceError, match="refused a token") as caught:
        works(served.account(), served)
    assert (caught.value.kind, caught.value.retryable) == ("access", False)
    assert "revoked" in str(caught.value)
    assert served.waits == []


def test_a_project_of_others_is_refused_by_name(served: Served) -> None:
    with pytest.raises(SourceError, match="project 'not-my-project' cannot be used") as caught:
        works(served.account(project="not-my-project"), served)
    assert (caught.value.status, caught.value.retryable) == (403, False)


def test_secrets_show_nowhere(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    import logging

    caplog.set_level(logging.DEBUG)
    source = EarthEngineSource(served.account(), Choices(2023), sleep=served.waits.append)
    served.server.faults.add("permission", path=":computeFeatures")
    with pytest.raises(SourceError) as caught:
        source.search(served.world.grid, SUMMER)
    shown = [str(caught.value), repr(caught.value), repr(source), repr(source.client.account), caplog.text]
    shown += [json.dumps(source.describe()), repr(find_key(served.account()))]
    shown += [pickle.dumps(source).decode("latin-1")]
    for text in shown:
        assert not [secret for secret in SECRETS if secret in text]
    assert str(served.key) not in json.dumps(source.describe())
    assert PROJECT not in json.dumps(source.describe())


def test_a_copy_in_another_process_asks_the_same(served: Served) -> None:
    source = served.source(orbit="descending")
    again = pickle.loads(pickle.dumps(source))
    assert again.describe() == source.describe()
    assert [one.id for one in again.search(served.world.grid, SUMMER)] == [
        one.id for one in source.search(served.world.grid, SUMMER)
    ]


def test_a_proxy_of_the_environment_is_used(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server itself takes the part of a proxy: it is asked for the whole address."""
    monkeypatch.setenv("HTTP_PROXY", served.server.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    account = served.account(url="http://earthengine.invalid")
    (served.key).write_text(json.dumps(user_key(served)), encoding="utf-8")
    assert works(account, served)


# -- the doctor -----------------------------------------------------------------------------------------------------


def states(findings: list[Finding]) -> dict[str, str]:
    return {finding.name.key.removeprefix("earthengine.at_"): finding.state for finding in findings}


def test_the_doctor_goes_the_whole_way(served: Served) -> None:
    findings = examine_earthengine(served.account())
    assert states(findings) == dict.fromkeys(AT, "ready")
    text = "\n".join(f"{finding.name} {finding.detail}" for finding in findings)
    assert "1 + 1 = 2" in text
    assert "64 pixels" in text
    assert not [secret for secret in SECRETS if secret in text]


def failing(served: Served, step: str, account: Account) -> str:
    findings = examine_earthengine(account)
    found, place = states(findings), AT.index(step)
    tried = {name: "ready" for name in AT if name in APART or AT.index(name) < place}
    assert found == dict.fromkeys(AT, "limited") | tried | {step: "missing"}
    return str(findings[place].detail)


def test_the_doctor_tells_which_step_fails(served: Served, tmp_path: Path) -> None:
    assert "register" in failing(served, "project", served.account(project=""))
    assert "absent.json" in failing(served, "key", served.account(credentials=tmp_path / "absent.json"))
    served.server.faults.add("login", path="$discovery")
    assert "redirection" in failing(served, "reach", served.account())
    served.server.faults.add("page", path="$discovery")
    assert "no usable answer" in failing(served, "reach", served.account())
    assert "not-my-project" in failing(served, "account", served.account(project="not-my-project"))
    served.server.faults.add("quota", path=":compute")
    assert "quota" in failing(served, "compute", served.account())
    served.server.faults.add("permission", path=":computePixels")
    assert "Resource Viewer" in failing(served, "pixels", served.account())
    write_key(tmp_path, served.server, "revoked")
    assert "earthengine authenticate" in failing(served, "token", served.account())
