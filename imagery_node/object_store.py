"""ObjectStore: where an object of S3 can be read over HTTP, with a signature that ends soon.

obstore signs; the bytes come by `HttpRanges`, so that whatever goes wrong on the way is met there, once for all stores.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from obstore import sign
from obstore.store import S3Store

from catalog.remote_store import is_object
from catalog.settings import CatalogSettings

if TYPE_CHECKING:
    from obstore.store import S3Credential  # not there when the program runs

_SIGNED_FOR = timedelta(seconds=60)
"""Longer than all attempts of one read, and for clocks that differ a little."""


class ObjectStore:
    """The buckets of one service; used by all threads."""

    def __init__(
        self, endpoint: str, *, region: str, key_id: str = "", secret: str = "", virtual_hosts: bool = False
    ) -> None:
        """Prepare, without asking the service.

        Args:
            endpoint: Scheme, host and port.
            region: Of the buckets.
            key_id: Who asks; without, requests are not signed.
            secret: What they are signed with.
            virtual_hosts: The bucket is the first part of the host's name.
        """
        self._endpoint = endpoint
        self._region = region
        self._key_id = key_id
        self._secret = secret
        self._virtual_hosts = virtual_hosts
        self._buckets: dict[str, S3Store] = {}

    @classmethod
    def of(cls, settings: CatalogSettings) -> Self:
        """The service that the settings name."""
        secret = settings.s3_secret_access_key
        return cls(
            settings.s3_endpoint or f"https://s3.{settings.s3_region}.amazonaws.com:443",
            region=settings.s3_region,
            key_id=settings.s3_access_key_id,
            secret=secret.get_secret_value() if secret else "",
            virtual_hosts=settings.s3_virtual_hosts,
        )

    def url(self, address: str) -> str:
        """Where the bytes of an address are asked for: of an object its signed place, any other as it is."""
        if not is_object(address):
            return address
        bucket, _, key = address.removeprefix("s3://").partition("/")
        if not self._key_id:
            return f"{self._place(bucket)}/{quote(key)}"
        if bucket not in self._buckets:
            self._buckets[bucket] = self._signer(bucket)
        return sign(self._buckets[bucket], "GET", key, _SIGNED_FOR)

    def _signer(self, bucket: str) -> S3Store:
        """What signs for a bucket; every choice is stated, for obstore would look for others in the environment."""
        endpoint = self._place(bucket) if self._virtual_hosts else self._endpoint
        return S3Store(
            bucket,
            endpoint=endpoint,
            aws_endpoint_url_s3=endpoint,
            region=self._region,
            virtual_hosted_style_request=self._virtual_hosts,
            skip_signature=False,
            credential_provider=self._credential,
            client_options={"allow_http": True},
        )

    def _credential(self) -> "S3Credential":
        return {"access_key_id": self._key_id, "secret_access_key": self._secret, "token": None, "expires_at": None}

    def _place(self, bucket: str) -> str:
        scheme, _, host = self._endpoint.partition("://")
        return f"{scheme}://{bucket}.{host}" if self._virtual_hosts else f"{self._endpoint}/{bucket}"
