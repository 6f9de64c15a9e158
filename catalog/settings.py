"""Settings of the catalogue."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from catalog.environment import refuse_unknown_variables
from catalog.item import is_id
from catalog.remote_store import is_object, origin_of, read_store
from catalog.webhook_address import check_address, read_secret

PREFIX = "CATALOG_"

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{32,256}=*", re.ASCII)
"""What RFC 6750 lets a bearer token be made of, and long enough not to be guessed."""


class CatalogSettings(BaseSettings):
    """What the catalogue accepts and keeps; environment variables `CATALOG_…`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        hide_input_in_errors=True,  # it may be a secret
    )

    asset_roots: Annotated[tuple[Path, ...], NoDecode] = ()
    """Folders below which the assets of loaded items may lie, separated by ':'; published scenes need none."""

    remote_stores: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses below which assets may lie and are read, separated by ',': of another node, such as
    `https://other.example.org/data`, or of objects in S3, such as `s3://bucket/scenes`."""

    s3_endpoint: str | None = None
    """Address of the service that holds the buckets of CATALOG_REMOTE_STORES, such as `https://minio.example.org:9000`;
    without one they are Amazon's."""

    s3_region: str = Field(default="us-east-1", pattern=r"^[a-z0-9-]{1,63}$")
    """Region of the buckets."""

    s3_virtual_hosts: bool = False
    """A bucket is addressed by a host of its own, `bucket.oss-cn-beijing.aliyuncs.com`, as Alibaba and Tencent want."""

    s3_access_key_id: str = Field(default="", max_length=128)
    """Who reads the buckets; without, they are read as the public may."""

    s3_secret_access_key: SecretStr | None = None
    """Secret that belongs to CATALOG_S3_ACCESS_KEY_ID; it signs requests and is never sent."""

    database: SecretStr | None = None
    """Address of the pgSTAC database that holds the catalogue, `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`; without
    one it lies in SQLite under the node's folder. `--catalog` names another."""

    disk_reserve_mib: int = Field(default=512, ge=0)
    """Free space in MiB that must be left when a built scene is taken in, else it is refused as `disk_full`."""

    grace_s: float = Field(default=900.0, ge=0)
    """Seconds that the files of a replaced version stay on disk, for readers that have them open."""

    protected: Annotated[tuple[str, ...], NoDecode] = ()
    """Collections whose files only who has a token or a signed link is given, separated by ','; anyone may search
    them."""

    signing_key: SecretStr | None = Field(default=None, min_length=32)
    """Secret that links to protected files are signed with; another one ends all links."""

    read_token: SecretStr | None = None
    """Bearer tokens that open protected files, separated by ','; 32 characters or more each."""

    write_token: SecretStr | None = None
    """Bearer token of who may write over HTTP (`serve --transactions`); 32 characters or more."""

    webhooks: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses that `imagery-node notify` posts every change to, separated by ','; https, or http on this machine."""

    webhook_secret: SecretStr | None = None
    """`whsec_` and 24 random bytes or more in base64: what the secret of each address of CATALOG_WEBHOOKS is made
    from."""

    @property
    def read_tokens(self) -> tuple[str, ...]:
        """The bearer tokens that open protected files."""
        return _parts(self.read_token)

    @field_validator("protected", "remote_stores", "webhooks", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("protected")
    @classmethod
    def _are_ids(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not is_id(name):
                raise ValueError(f"{name!r:.140} cannot be the id of a collection")
        return names

    @field_validator("remote_stores")
    @classmethod
    def _are_addresses(cls, stores: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(read_store, stores))

    @field_validator("s3_endpoint")
    @classmethod
    def _is_a_host(cls, endpoint: str | None) -> str | None:
        if endpoint is None:
            return None
        address = "" if is_object(endpoint) else read_store(endpoint).rstrip("/")
        if not address or address != origin_of(address):
            raise ValueError("expected an address such as https://minio.example.org:9000, without a path")
        return address

    @field_validator("database")
    @classmethod
    def _is_postgresql(cls, address: SecretStr | None) -> SecretStr | None:
        if address is not None and not address.get_secret_value().startswith("postgresql://"):
            raise ValueError("expected an address that starts with postgresql://")
        return address

    @field_validator("webhooks")
    @classmethod
    def _may_be_posted_to(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(check_address, addresses)))

    @field_validator("webhook_secret")
    @classmethod
    def _is_a_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            read_secret(secret.get_secret_value())
        return secret

    @field_validator("read_token", "write_token")
    @classmethod
    def _are_tokens(cls, tokens: SecretStr | None) -> SecretStr | None:
        if tokens is not None and not all(map(_TOKEN.fullmatch, _parts(tokens) or [""])):
            raise ValueError("a token has 32 letters, digits or '._~+/-' or more")
        return tokens

    @model_validator(mode="after")
    def _can_name_hosts_after_buckets(self) -> Self:
        host = urlsplit(self.s3_endpoint or "").hostname or ""
        if self.s3_virtual_hosts and (":" in host or host.replace(".", "").isdigit()):
            raise ValueError("CATALOG_S3_VIRTUAL_HOSTS: CATALOG_S3_ENDPOINT must be the name of a host, not its number")
        return self

    @model_validator(mode="after")
    def _have_the_key_and_other_tokens(self) -> Self:
        if self.protected and self.signing_key is None:
            raise ValueError("CATALOG_SIGNING_KEY: is needed where CATALOG_PROTECTED names a collection")
        if bool(self.s3_access_key_id) != bool(self.s3_secret_access_key):
            raise ValueError(
                "CATALOG_S3_ACCESS_KEY_ID and CATALOG_S3_SECRET_ACCESS_KEY: there must be both, or neither"
            )
        if self.webhooks and self.webhook_secret is None:
            raise ValueError("CATALOG_WEBHOOK_SECRET: is needed where CATALOG_WEBHOOKS names an address")
        if len(_parts(self.write_token)) > 1:
            raise ValueError("CATALOG_WRITE_TOKEN: there is one only")
        if set(_parts(self.write_token)) & set(self.read_tokens):
            raise ValueError("CATALOG_WRITE_TOKEN: must not be one of CATALOG_READ_TOKEN")
        return self

    @field_validator("asset_roots", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value

    @field_validator("asset_roots")
    @classmethod
    def _are_folders(cls, roots: tuple[Path, ...]) -> tuple[Path, ...]:
        for root in roots:
            if not root.is_absolute() or not root.is_dir():
                raise ValueError(f"{root} must be the absolute path of a folder that exists")
        return roots

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_variables(cls, values: dict[str, Any]) -> dict[str, Any]:
        refuse_unknown_variables(PREFIX, cls.model_fields)
        return values


def _parts(tokens: SecretStr | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in tokens.get_secret_value().split(",") if part.strip()) if tokens else ()
