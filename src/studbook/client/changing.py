"""Later facts: what may be said of a record after it was registered."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from studbook.client.addressing import Addressing
from studbook.client.body import Body
from studbook.client.draft import schema_entry
from studbook.client.findings import Evaluated
from studbook.client.records import Alias, Deployment, Model, ModelVersion, Token

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import EllipsisType

    from studbook.client.draft import SchemaLike


class LaterFacts(Addressing):
    """The calls that record later facts.

    Every one raises UnreachableError and RefusedError (NotFoundError, ConflictError, …). `if_match` takes the `etag`
    of the record as it was read; if the record has changed since, nothing is stored and StaleError is raised.
    """

    def set_alias(self, model: str, alias: str, version: int | str, *, if_match: str | None = None) -> Alias:
        """Point an alias at a version: its number, `latest`, or `@other`. The ETag is the model's."""
        path = ("models", model, "aliases", alias)
        answer = self._connection.call("PUT", path, body=Body.of({"version": version}), headers=_matching(if_match))
        return Alias.read(answer)

    def delete_alias(self, model: str, alias: str, *, if_match: str | None = None) -> None:
        """Take an alias away."""
        self._connection.call("DELETE", ("models", model, "aliases", alias), headers=_matching(if_match))

    def update_model(
        self,
        name: str,
        *,
        description: str | None = None,
        owners: Iterable[Mapping[str, str]] | None = None,
        tags: Mapping[str, str | None] | None = None,
        schema: SchemaLike | EllipsisType | None = ...,
        archived: bool | None = None,
        if_match: str | None = None,
    ) -> Model:
        """Change facts about a model; what is None, or for `schema` left out, stays.

        `owners` ({"name", "email"?}) replaces the owners, `tags` is merged (a tag set to None is removed), and
        `archived` archives (True) or restores (False). `schema` is the definition that versions must satisfy from now on: its
        name, or a mapping with `name`, `min_version` and `max_version`; None takes it off.
        """
        facts: dict[str, Any] = {
            "description": description,
            "owners": None if owners is None else [dict(owner) for owner in owners],
            "tags": None if tags is None else dict(tags),
            "archived": archived,
        }
        said = {fact: value for fact, value in facts.items() if value is not None}
        if schema is not ...:
            said["schema"] = schema_entry(schema)
        answer = self._connection.call("PATCH", ("models", name), body=Body.of(said), headers=_matching(if_match))
        return Model.read(answer)

    def update_version(
        self,
        ref: str,
        *,
        description: str | None = None,
        tags: Mapping[str, str | None] | None = None,
        archived: bool | None = None,
        if_match: str | None = None,
    ) -> ModelVersion:
        """Change facts about a model version; what is None stays. What identifies it cannot be changed."""
        facts = {"description": description, "tags": None if tags is None else dict(tags), "archived": archived}
        return ModelVersion.read(self._patch(self._version_path(ref), facts, if_match))

    def add_metrics(self, ref: str, metrics: Iterable[Mapping[str, Any]]) -> ModelVersion:
        """Add metrics measured after registration: {"name", "value", "dataset"?, "split"?, "slice"?, "step"?}."""
        body = Body.of({"metrics": [dict(metric) for metric in metrics]})
        return ModelVersion.read(self._connection.call("POST", (*self._version_path(ref), "metrics"), body=body))

    def add_evaluation(
        self,
        ref: str,
        metrics: Iterable[Mapping[str, Any]],
        *,
        run: Mapping[str, Any] | None = None,
        datasets: Iterable[Mapping[str, Any]] = (),
    ) -> Evaluated:
        """Record a later evaluation of a version: what it measured, by which run, on which datasets.

        `run` and `datasets` are as in an ingestion document; `{"ref": "runs/UUID"}` is a run that is recorded.
        """
        document: dict[str, Any] = {"metrics": [dict(metric) for metric in metrics]}
        if run is not None:
            document["run"] = dict(run)
        if entries := [dict(entry) for entry in datasets]:
            document["datasets"] = entries
        path = (*self._version_path(ref), "evaluations")
        return Evaluated.read(self._connection.call("POST", path, body=Body.of(document)))

    def add_signature(
        self, ref: str, bundle: str | bytes, *, public_key: str | None = None, certificates: str | None = None
    ) -> ModelVersion:
        """Have a signature over a version's artifacts verified and recorded; one that is recorded already changes nothing.

        `bundle` is what stands in `model.sig` (OpenSSF model signing). It is verified with the signer's public key or with the
        root certificates that the one in the bundle leads to, both in PEM, and against the digests of the version's artifacts.
        """
        document = {"bundle": bundle.decode() if isinstance(bundle, bytes) else bundle}
        document |= {
            name: text for name, text in {"public_key": public_key, "certificates": certificates}.items() if text is not None
        }
        path = (*self._version_path(ref), "signatures")
        return ModelVersion.read(self._connection.call("POST", path, body=Body.of(document), safe_to_repeat=True))

    def deploy(self, ref: str, target: str, *, url: str | None = None, attributes: Mapping[str, Any] | None = None) -> Deployment:
        """Record that a version is served on a target (`prod/eu`); what was served there before has ended."""
        document: dict[str, Any] = {"version": ref, "target": target}
        if url is not None:
            document["url"] = url
        if attributes is not None:
            document["attributes"] = dict(attributes)
        return Deployment.read(self._connection.call("POST", ("deployments",), body=Body.of(document)))

    def end_deployment(self, ref: str, *, if_match: str | None = None) -> Deployment:
        """Record that a deployment has ended; ending it twice changes nothing."""
        return Deployment.read(self._patch(self._path_by_id("deployments", ref), {"status": "ended"}, if_match))

    def create_token(
        self,
        name: str,
        access: str,
        *,
        expires_at: datetime | str | None = None,
        principal: str | None = None,
        printed_name: str | None = None,
        roles: Iterable[str] = (),
        signing: bool = False,
    ) -> Token:
        """Make an API token with `read`, `write` or `admin` access; only this answer holds its secret (`.token`).

        For somebody who decides: `principal` is who that is (all tokens of a principal are one person), `roles` as what, such as
        `validator`, and `printed_name` stands under signatures; `signing` makes a signing secret too (`.signing_secret`).
        """
        document: dict[str, Any] = {"name": name, "access": access}
        person = {"principal": principal, "printed_name": printed_name, "roles": list(roles), "signing": signing}
        document |= {field: value for field, value in person.items() if value}
        if expires_at is not None:
            document["expires_at"] = expires_at.isoformat() if isinstance(expires_at, datetime) else expires_at
        return Token.read(self._connection.call("POST", ("tokens",), body=Body.of(document)))

    def list_tokens(self, *, page_size: int | None = None) -> Iterator[Token]:
        """The namespace's tokens, without their secrets."""
        return (Token.read(entry) for entry in self._connection.pages(("tokens",), {"page_size": page_size}))

    def revoke_token(self, ref: str) -> None:
        """Make a token worthless; `ref` is its id or `tokens/UUID`."""
        self._connection.call("DELETE", self._path_by_id("tokens", ref))

    def _patch(self, path: tuple[str, ...], facts: Mapping[str, Any], if_match: str | None) -> Any:  # noqa: ANN401 - JSON
        body = Body.of({name: value for name, value in facts.items() if value is not None})
        return self._connection.call("PATCH", path, body=body, headers=_matching(if_match))


def _matching(if_match: str | None) -> dict[str, str] | None:
    return None if if_match is None else {"If-Match": if_match}
