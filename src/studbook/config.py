"""The server's settings, read once from `STUDBOOK_…` and frozen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

import platformdirs
from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Settings(BaseSettings):
    """Everything that can be set from outside; each field is `STUDBOOK_` and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="STUDBOOK_", frozen=True, extra="ignore")

    home: Annotated[
        Path,
        Field(
            default_factory=lambda: Path(platformdirs.user_data_dir("studbook")),
            description="folder of the database file and of what `studbook demo` makes",
        ),
    ]
    database_url: Annotated[
        SecretStr | None,
        Field(description="`postgresql://user@host/name` or `sqlite:////path/file.db`; unset: `studbook.db` in the home folder"),
    ] = None
    host: Annotated[str, Field(description="address to listen on")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="port to listen on")] = 8765
    workers: Annotated[int, Field(ge=1, le=64, description="server processes")] = 1
    allow_public_without_tls: Annotated[
        bool, Field(description="listen on an address other machines can reach although tokens would travel unencrypted")
    ] = False
    ssl_certfile: Annotated[Path | None, Field(description="certificate chain (PEM); with it the server speaks HTTPS")] = None
    ssl_keyfile: Annotated[Path | None, Field(description="private key (PEM) of the certificate")] = None
    bootstrap_token: Annotated[
        SecretStr | None,
        Field(description="secret of the admin token made at the first start, instead of a random one; see `studbook token`"),
    ] = None
    max_body_bytes: Annotated[int, Field(ge=1024, description="largest request body")] = 10 * 1024 * 1024
    max_batch_documents: Annotated[int, Field(ge=1, description="most documents in one batch")] = 1_000_000
    pool_size: Annotated[int, Field(ge=1, le=1000, description="database connections kept open by each process")] = 16
    keys: Annotated[
        Path | None,
        Field(description="folder of the keys that sign the audit log's checkpoints; unset: `keys` in the home folder"),
    ] = None
    guard: Annotated[
        Path | None,
        Field(
            description="folder of the last checkpoint of each log, which must not be restored with the database: "
            "put it on another volume; unset: `guard` in the home folder"
        ),
    ] = None
    log_name: Annotated[
        str | None,
        Field(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{2,200}$",
            description="first part of the logs' names in checkpoints, such as `studbook.example.org/registry`; set it before "
            "the first start, for a log never changes its name; unset: a random one",
        ),
    ] = None
    log_policy: Annotated[
        Path | None,
        Field(description="C2SP tlog-policy file that names the witnesses to ask, with their addresses, and the quorum"),
    ] = None
    witness_timeout: Annotated[float, Field(gt=0, le=60, description="seconds to wait for a witness")] = 1.0
    receipt_timeout: Annotated[
        float, Field(gt=0, le=300, description="seconds to wait for a receipt before answering without")
    ] = 10.0
    snapshot_every: Annotated[
        int, Field(ge=0, description="entries after which a snapshot is logged; 0: only when asked for")
    ] = 10_000
    log_format: Annotated[Literal["json", "text"], Field(description="`json`: one object a line; `text`: for people")] = "json"
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Field(description="least level that is logged")] = "info"

    @model_validator(mode="after")
    def _refuse_open_door(self) -> Self:
        if self.is_public and not self.uses_tls and not self.allow_public_without_tls:
            message = (
                f"{self.host} can be reached by other machines and TLS is off, so tokens would travel readable. "
                "Set STUDBOOK_SSL_CERTFILE and STUDBOOK_SSL_KEYFILE, listen on 127.0.0.1 behind a proxy that speaks TLS, "
                "or say --allow-public-without-tls."
            )
            raise ValueError(message)
        if (self.ssl_certfile is None) != (self.ssl_keyfile is None):
            message = "STUDBOOK_SSL_CERTFILE and STUDBOOK_SSL_KEYFILE go together"
            raise ValueError(message)
        return self

    @property
    def is_public(self) -> bool:
        """Whether other machines can reach the address."""
        return self.host not in _LOOPBACK

    @property
    def uses_tls(self) -> bool:
        """Whether the server speaks HTTPS."""
        return self.ssl_certfile is not None

    @property
    def url(self) -> str:
        """The address under which the server is reached."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.uses_tls else 'http'}://{host}:{self.port}"

    def keys_folder(self) -> Path:
        """The folder of the keys that sign checkpoints."""
        return self.keys or self.home / "keys"

    def guard_folder(self) -> Path:
        """The folder of the guard."""
        return self.guard or self.home / "guard"

    def database(self) -> str:
        """The database's URL; the file of the default one may not exist yet."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.home / 'studbook.db'}"
