"""What the published MAIP clients make of a node: each of their methods is called, and what it parsed is asserted.

Run by scripts/clients with the path of a devnet's devnet.json. Nothing in the packages is changed; they are told where the
node is, as their users tell them.

A check that needs an endpoint which the node's OpenAPI document does not have is reported as awaited; every other failure is one.
"""

import asyncio
import base64
import hashlib
import json
import sys
import traceback
import urllib.request

from maip_ai_connectors.client import MAIPClient as Connector
from maip_ai_connectors.config import MAIPConfig
from maip_ai_connectors.exceptions import MAIPNotFoundError, MAIPValidationError
from maip_ai_connectors.receipts import build_llm_call_receipt, hash_content
from maip_ai_connectors.schemas import AgentActionReceipt
from truthlock import TruthlockClient
from truthlock.errors import AuthenticationError, NotFoundError, ValidationError
from truthlock.models import ListReceiptsFilter, MintReceiptRequest, Verdict
from truthlock.register import _register
from truthlocks_maip import MaipClient
from truthlocks_maip import errors as maip_errors
from truthlocks_maip import types as maip

# A point on the curve that nobody needs the key of: the first public key of RFC 8032, section 7.1.
PUBLIC_KEY = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
CHECKS = []


def check(*needs):
    """A check, and the endpoints that it needs beside those of receipts and agents."""

    def declare(function):
        CHECKS.append((function, needs))
        return function

    return declare


class World:
    """The node, and a tenant on it."""

    def __init__(self, manifest):
        # Not the first node: what a client writes through a follower it reads there.
        self.url = manifest["nodes"][-1]["http_url"].rstrip("/")
        self.admin = manifest["admin_key"]
        made = self.post("/v1/tenants", {"name": "Published clients", "plan": "enterprise"}, self.admin)
        secrets = {key["environment"]: key["secret"] for key in made["api_keys"]}
        # truthlock and the connectors look for tl_ in front of a key.
        self.key = secrets["production"].replace("maip_", "tl_", 1)
        self.sandbox_key = secrets["sandbox"].replace("maip_", "tl_", 1)
        self.tenant = made["tenant_id"]
        document = self.get("/v1/openapi.json")
        self.endpoints = {(verb.upper(), path) for path, verbs in document["paths"].items() for verb in verbs}
        self.names = 0

    def call(self, verb, path, body=None, key=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=verb)
        request.add_header("Content-Type", "application/json")
        if key:
            request.add_header("X-API-Key", key)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def get(self, path, key=None):
        return self.call("GET", path, key=key)

    def post(self, path, body, key=None):
        return self.call("POST", path, body, key)

    def name(self, what):
        self.names += 1
        return f"{what} {self.names}"

    def maip(self):
        return MaipClient(api_key=self.key, base_url=self.url)

    def truthlock(self):
        return TruthlockClient(api_key=self.key, base_url=self.url)

    def agent(self, actions=("read",), resources=("invoices",)):
        scope = maip.Scope(actions=list(actions), resources=list(resources))
        request = maip.CreateAgentRequest(name=self.name("bot"), scope=scope, public_key=public_key(self.names))
        with self.maip() as client:
            return client.register_agent(request)

    def issuer(self, client):
        issuer = client.issuers.create(self.name("Issuer"), legal_name="Issuer GmbH", display_name="Issuer")
        key = client.keys.register(issuer.id, "k1", "Ed25519", public_key(self.names))
        assert (key.kid, key.alg, key.status) == ("k1", "Ed25519", "active"), key
        return issuer


def public_key(number):
    """A valid public key for each number: only its holder could sign with it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    seed = hashlib.sha256(f"published clients {number}".encode()).digest()
    return base64.urlsafe_b64encode(Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()).rstrip(b"=").decode()


def refuses(error, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except error as refusal:
        return refusal
    raise AssertionError(f"{call} was not refused with {error.__name__}")


# truthlocks-maip 1.0.0 ------------------------------------------------------------------------------------------------


@check()
def maip_agents(world):
    with world.maip() as client:
        scope = maip.Scope(actions=["read", "write"], resources=["invoices"], constraints={"region": "eu"})
        request = maip.CreateAgentRequest(world.name("sdk agent"), scope, public_key(1000), {"team": "finance"})
        made = client.register_agent(request)
        assert made["publicKey"] == public_key(1000) and made["status"] == "active", made
        assert made["scope"] == {"actions": ["read", "write"], "resources": ["invoices"], "constraints": {"region": "eu"}}
        assert made["metadata"] == {"team": "finance"} and made["createdAt"] and made["updatedAt"], made
        assert maip.AgentStatus(made["status"]) is maip.AgentStatus.ACTIVE
        assert client.get_agent(made["id"])["name"] == made["name"]
        listed = client.list_agents(status=maip.AgentStatus.ACTIVE, offset=0, limit=200)
        assert {"items", "total", "offset", "limit"} <= set(listed), listed
        assert made["id"] in [agent["id"] for agent in listed["items"]]
        assert client.suspend_agent(made["id"])["status"] == "suspended"
        assert client.revoke_agent(made["id"])["status"] == "revoked"
        refuses(maip_errors.NotFoundError, client.get_agent, "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N")
        again = maip.CreateAgentRequest("", scope, public_key(1000))
        assert refuses(maip_errors.MaipError, client.register_agent, again).status_code == 422
    with MaipClient(api_key="maip_live_none", base_url=world.url) as stranger:
        refuses(maip_errors.UnauthorizedError, stranger.list_agents)


# truthlock 0.4.2 ------------------------------------------------------------------------------------------------------


@check()
def truthlock_issuers_and_keys(world):
    with world.truthlock() as client:
        issuer = world.issuer(client)
        assert issuer.status == "active" and issuer.did == f"did:truthlock:{issuer.id}", issuer
        assert client.issuers.get(issuer.id).name == issuer.name
        assert issuer.id in [known.id for known in client.issuers.list(limit=50, offset=0)]
        assert client.issuers.trust(issuer.id)["trust_tier"] == "verified"
        keys = {key.kid: key for key in client.keys.list(issuer.id)}
        assert keys["k1"].status == "active" and keys["k1"].public_key, keys
        refuses(NotFoundError, client.issuers.get, "00000000-0000-0000-0000-000000000001")
        refuses(ValidationError, client.keys.register, issuer.id, "k2", "RS256", PUBLIC_KEY)


@check()
def truthlock_attestations(world):
    with world.truthlock() as client:
        issuer = world.issuer(client)
        payload = base64.urlsafe_b64encode(b'{"degree":"MSc"}').rstrip(b"=").decode()
        document = hashlib.sha256(b"diploma").hexdigest()
        mint = lambda key=None: client.attestations.mint(  # noqa: E731
            issuer.id, "k1", "Ed25519", payload, idempotency_key=key, document_hash=document
        )
        made = mint("mint-1")
        assert mint("mint-1").attestation_id == made.attestation_id, "a repetition is the same"
        assert made.payload_hash == hashlib.sha256(b'{"degree":"MSc"}').hexdigest() and made.status == "active", made
        assert made.signature["alg"] == "Ed25519" and made.log["leaf_index"] > 0 and made.issued_at_unix, made
        read = client.attestations.get(made.attestation_id)
        assert (read.issuer_id, read.kid, read.alg) == (made_issuer(world, issuer), "k1", "Ed25519"), read
        assert made.attestation_id in [known.attestation_id for known in client.attestations.list(limit=50, offset=0)]

        verdict = client.verify.verify_online(made.attestation_id, payload_b64url=payload)
        assert verdict.verdict is Verdict.VALID and verdict.signature_verified and verdict.issued_at, verdict
        assert "transparency_proof_ok" in verdict.reasons, verdict
        assert client.verify.verify_online(made.attestation_id).verdict is Verdict.INCOMPLETE
        by_document = client.verify.verify_online(made.attestation_id, document_hash_hex=document)
        assert by_document.verdict is Verdict.VALID, by_document
        assert client.verify.verify_online(made.attestation_id, payload_b64url="YQ").verdict is Verdict.ALTERED
        assert client.verify.verify_online("nothing").verdict is Verdict.NOT_FOUND

        bundle = client.attestations.proof_bundle(made.attestation_id)
        assert bundle.bundle_id and bundle.bundle_version and bundle.bundle_hash_b64url and bundle.proofs, bundle
        assert bundle.transparency_log["tlog_proof"].startswith("c2sp.org/tlog-proof@v1"), bundle.transparency_log
        assert bundle.issuer_certificate["record"]["type"] == "agent.register", bundle.issuer_certificate
        assert client.attestations.revoke(made.attestation_id, "issued in error")["status"] == "revoked"
        assert client.verify.verify_online(made.attestation_id, payload_b64url=payload).verdict is Verdict.REVOKED


def made_issuer(world, issuer):
    return world.get(f"/v1/issuers/{issuer.id}", world.key)["issuer_id"]


@check()
def truthlock_receipts(world):
    with world.truthlock() as client:
        issuer = world.issuer(client)
        request = MintReceiptRequest(
            issuer_id=issuer.id, kid="k1", alg="Ed25519", receipt_type="payment_receipt", subject="order-17",
            payload={"amount": 1200, "currency": "EUR"}, metadata={"shop": "s"},
        )
        made = client.receipts.mint(request)
        assert (made.receipt_type, made.receipt_version, made.status) == ("payment_receipt", "1.0.0", "active"), made
        assert made.signature["value"] and made.log["leaf_hash"] and made.payload_hash and made.tenant_id == world.tenant
        assert client.receipts.get(made.receipt_id).payload_hash == made.payload_hash
        wanted = ListReceiptsFilter(receipt_type="payment_receipt", issuer_id=issuer.id, status="active")
        assert [known.receipt_id for known in client.receipts.list(wanted)] == [made.receipt_id]
        assert client.receipts.list()[0].receipt_id
        types = {known.name: known for known in client.receipts.list_types()}
        assert {"payment_receipt", "security_event_receipt", "delivery_receipt", "compliance_receipt", "custom_receipt"} <= set(types)
        assert client.receipts.get_type("payment_receipt@1.0.0").version == "1.0.0"
        assert client.receipts.verify(made.receipt_id)["verdict"] == "VALID"
        assert client.receipts.get_proof_bundle(made.receipt_id)["receipt"]["receipt_id"] == made.receipt_id
        found = client.receipts.search(q="order-17", status="active", limit=10, offset=0)
        assert made.receipt_id in [item["receipt_id"] for item in found["items"]]
        queued = client.receipts.export("json", {"receipt_type": "payment_receipt"})
        export = client.receipts.get_export(queued["export_id"])
        assert export["status"] == "completed", export
        exported = world.get(export["download_url"], world.key)
        assert made.receipt_id in [item["receipt_id"] for item in exported]
        assert client.receipts.redact(made.receipt_id)["payload"] is None
        assert client.receipts.verify(made.receipt_id)["verdict"] == "VALID", "the proof outlives the payload"
        assert client.receipts.revoke(made.receipt_id, "refunded").status == "revoked"
        assert client.receipts.verify(made.receipt_id)["verdict"] == "REVOKED"
    with TruthlockClient(api_key="tl_live_none", base_url=world.url) as stranger:
        refuses(AuthenticationError, stranger.receipts.list)
    with TruthlockClient(bearer_token=world.key, base_url=world.url) as bearer:
        assert bearer.receipts.list_types()


@check()
def truthlock_sandbox(world):
    """The key decides which log it is."""
    with TruthlockClient(api_key=world.sandbox_key, base_url=world.url, environment="sandbox") as client:
        issuer = client.issuers.create("Sandbox issuer")
    with world.truthlock() as client:
        refuses(NotFoundError, client.issuers.get, issuer.id)


@check()
def truthlock_register(world):
    """The public method has a fixed host; the one behind it takes another."""
    url = world.url + "/v1/developers/register"
    registered = asyncio.run(_register(email="dev@example.com", source="sdk-python", base_url=url))
    assert registered.api_key and registered.tenant_id and registered.plan == "developer", registered


# maip-ai-connectors 1.1.0 ---------------------------------------------------------------------------------------------


def connector(world, agent, path="/v1", **more):
    return Connector(MAIPConfig(api_url=world.url + path, api_key=world.key, agent_id=agent["agent_id"], **more))


@check()
def connectors_receipts(world):
    agent = world.agent(actions=["llm_call_receipt", "agent_action_receipt"], resources=["legacy"])
    for path in ["", "/v1", "/v1/machine-identity", "/maip/v1"]:
        asyncio.run(connector_round(world, agent, path))


async def connector_round(world, agent, path):
    async with connector(world, agent, path) as client:
        local = build_llm_call_receipt(
            model="m", provider="openai", prompt=f"hello {path}", completion="hi", input_tokens=1, output_tokens=1,
            config=client._config,
        )
        made = await client.create_receipt(local)
        assert made.status == "valid" and made.signature and made.signing_envelope and made.log_index > 0, made
        assert made.metadata == local.model_dump(mode="json") and made.chain_hash and made.issued_at, made
        assert made.inputs_hash == hash_content(f"hello {path}") and made.outputs_hash == hash_content("hi"), made
        verified = await client.verify_receipt(made.receipt_id)
        assert verified.valid and verified.signature_verified and verified.transparency_verified and verified.chain_verified
        assert verified.receipt.receipt_id == made.receipt_id
        read = await client.get_receipt(made.receipt_id)
        assert read.metadata == made.metadata and read.signature == made.signature
        listed = await client.list_receipts(receipt_type="llm_call_receipt")
        assert made.receipt_id in [receipt.receipt_id for receipt in listed]
        action = AgentActionReceipt(agent_name="bot", action=f"search {path}", agent_id=agent["agent_id"])
        client.submit_receipt_background(action)
        assert len(await client.flush()) == 2
        try:
            await client.get_receipt("maip-rcpt:01KC2G2V3T3XJ6W1B0D9QH8Y7N")
            raise AssertionError("an unknown receipt was found")
        except MAIPNotFoundError:
            pass
        # A revoked receipt is a consistent answer, too.
        world.post(f"/v1/agent-receipts/{made.receipt_id}/revoke", {}, world.key)
        revoked = await client.verify_receipt(made.receipt_id)
        assert not revoked.valid and revoked.verdict == "REVOKED" and revoked.signature_verified


@check()
def connectors_without_a_loop(world):
    agent = world.agent(actions=["*"], resources=["legacy"])
    client = connector(world, agent, fire_and_forget=False)
    made = client.create_receipt_sync(AgentActionReceipt(agent_name="bot", action="plan", agent_id=agent["agent_id"]))
    assert made.status == "valid" and client.submitted_receipts == [made]
    stranger = Connector(MAIPConfig(api_url=world.url, api_key=world.key, agent_id="nobody"))
    refuses(MAIPValidationError, stranger.create_receipt_sync, AgentActionReceipt(agent_name="bot", action="x"))


# truthlocks-maip 1.0.0, on groups of endpoints of their own -----------------------------------------------------------


@check(("POST", "/v1/sessions"), ("POST", "/v1/sessions/{session_id}/terminate"))
def maip_sessions(world):
    agent = world.agent()
    with world.maip() as client:
        scope = maip.Scope(actions=["read"], resources=["invoices"])
        made = client.create_session(maip.CreateSessionRequest(agent["id"], scope, ttl_seconds=600))
        assert made["agentId"] in (agent["id"], agent["agent_id"]) and made["status"] == "active", made
        assert made["scope"]["actions"] == ["read"] and made["expiresAt"] and made["createdAt"], made
        ended = client.terminate_session(made["id"])
        assert maip.SessionStatus(ended["status"]) is maip.SessionStatus.TERMINATED, ended


@check(("GET", "/v1/agents/{agent_id}/trust-score"), ("POST", "/v1/agents/{agent_id}/trust-score/compute"))
def maip_trust(world):
    agent = world.agent()
    with world.maip() as client:
        unscored = client.get_trust_score(agent["id"])
        assert unscored["score"] is None and maip.TrustLevel(unscored["level"]) is maip.TrustLevel.LOW, unscored
        for number in range(20):
            receipt = {"agent_id": agent["id"], "action": "invoices:read", "verdict": "ok", "payload": {"number": number}}
            world.post("/v1/agent-receipts", receipt, world.key)
        computed = client.compute_trust_score(maip.ComputeTrustScoreRequest(agent["id"]))
        read = client.get_trust_score(agent["id"])
        for score in (computed, read):
            # A newcomer's cap on its first day, whatever the factors say.
            assert score["score"] == 52.5 and maip.TrustLevel(score["level"]) is maip.TrustLevel.MEDIUM, score
            assert score["agentId"] in (agent["id"], agent["agent_id"]) and score["computedAt"], score
            assert all({"name", "weight", "value", "description"} <= set(factor) for factor in score["factors"]), score
            factors = {factor["name"]: factor for factor in score["factors"]}
            assert len(factors) == 5 and abs(sum(factor["weight"] for factor in factors.values()) - 1) < 1e-9, score
            assert factors["behavioral_compliance"]["value"] > 75 and factors["session_hygiene"]["value"] is None, score
        assert computed["receipt_id"] and world.get(f"/v1/records/{computed['log_index']}", world.key)["record_type"] == "trust.compute"
        refuses(maip_errors.NotFoundError, client.get_trust_score, "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N")


@check(("POST", "/v1/delegations"), ("POST", "/v1/delegations/{delegation_id}/accept"))
def maip_delegations(world):
    parent, child = world.agent(), world.agent()
    with world.maip() as client:
        scope = maip.Scope(actions=["read"], resources=["invoices"])
        offered = client.offer_delegation(maip.OfferDelegationRequest(parent["id"], child["id"], scope, ttl_seconds=3600))
        assert maip.DelegationStatus(offered["status"]) is maip.DelegationStatus.OFFERED, offered
        assert offered["fromAgentId"] in (parent["id"], parent["agent_id"]) and offered["expiresAt"], offered
        assert offered["toAgentId"] in (child["id"], child["agent_id"]) and offered["scope"]["actions"] == ["read"]
        accepted = client.accept_delegation(offered["id"])
        assert maip.DelegationStatus(accepted["status"]) is maip.DelegationStatus.ACCEPTED, accepted


@check(("POST", "/v1/orchestrations"))
def maip_orchestrations(world):
    first, second = world.agent(), world.agent()
    with world.maip() as client:
        scope = maip.Scope(actions=["read"], resources=["invoices"])
        request = maip.ExecuteOrchestrationRequest(first["id"], [second["id"]], scope, {"some_key": 1})
        made = client.execute_orchestration(request)
        assert made["coordinatorAgentId"] in (first["id"], first["agent_id"]) and made["createdAt"], made
        assert len(made["participantAgentIds"]) == 1 and maip.OrchestrationStatus(made["status"]), made


@check(("POST", "/v1/guardrails/check"))
def maip_guardrails(world):
    agent = world.agent()
    with world.maip() as client:
        request = maip.CheckGuardrailsRequest(agent["id"], "invoices:read", "invoice-1", {"region": "eu"})
        result = client.check_guardrails(request)
        assert result["allowed"] is True and result["checkedAt"] and result["violations"] == [], result
        client.suspend_agent(agent["id"])
        result = client.check_guardrails(request)
        assert result["allowed"] is False and result["violations"], result
        assert all({"rule", "severity", "message"} <= set(violation) for violation in result["violations"]), result


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        world = World(json.load(file))
    passed, failed, awaited = 0, 0, 0
    for function, needs in CHECKS:
        missing = [f"{verb} {path}" for verb, path in needs if (verb, path) not in world.endpoints]
        if missing:
            awaited += 1
            print(f"awaited {function.__name__}: the node has no {', '.join(missing)}")
            continue
        try:
            function(world)
        except Exception:
            failed += 1
            print(f"FAILED {function.__name__}")
            traceback.print_exc(file=sys.stdout)
        else:
            passed += 1
            print(f"ok {function.__name__}")
    print(f"clients: {awaited} awaited (their endpoints are not in the OpenAPI document)")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
