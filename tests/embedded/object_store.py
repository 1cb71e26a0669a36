"""A real S3 server, by default on loopback: SeaweedFS in one process."""

from functools import cache
from pathlib import Path
from typing import Any

from embedded.ports import LOOPBACK, free_ports
from embedded.processes import Part

REGION = "us-east-1"
PROBE_BUCKET = "readiness"


@cache  # a client takes a quarter of a second to make, and may be shared
def _client(endpoint_url: str, access_key: str, secret_key: str, attempts: int, timeout: float) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint_url,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name=REGION,
        config=Config(
            connect_timeout=timeout,
            read_timeout=timeout,
            retries={"total_max_attempts": attempts},
            s3={"addressing_style": "path"},
            proxies={},
        ),
    )


class ObjectStore(Part):
    """`weed mini` with one pair of keys; wrong keys are refused. Data in `folder`/data."""

    name = "object-store"

    def __init__(
        self,
        folder: Path,
        access_key: str = "AKIAEMBEDDED",
        secret_key: str = "embedded-secret",
        host: str = LOOPBACK,
    ) -> None:
        super().__init__(folder)
        self._host = host
        self.access_key = access_key
        self.secret_key = secret_key
        self._ports = free_ports(10)
        self.endpoint_url = f"http://{host}:{self._ports[0]}"

    def environment(self) -> dict[str, str]:
        """The AWS_* variables by which a client of this store finds it and signs in.

        The server takes its own keys from the same ones.
        """
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_DEFAULT_REGION": REGION,
        }

    def prepare(self) -> None:
        (self.folder / "data").mkdir(exist_ok=True)

    def command(self) -> list[str]:
        names = ["s3", "s3.port.grpc", "master", "master.port.grpc", "volume", "volume.port.grpc"]
        names += ["filer", "filer.port.grpc", "admin", "admin.port.grpc"]
        flags = [
            f"-{name if '.' in name else f'{name}.port'}={port}" for name, port in zip(names, self._ports, strict=True)
        ]
        return [
            "weed",
            "-logtostderr=true",
            "mini",
            f"-dir={self.folder / 'data'}",
            f"-ip={self._host}",
            f"-ip.bind={self._host}",
            *flags,
            "-webdav=false",
            "-admin.ui=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-master.telemetry=false",
        ]

    def ended(self) -> None:
        # The paths of its sockets are fixed but for the port, and SIGKILL leaves them.
        for port in self._ports:
            for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                socket.unlink(missing_ok=True)

    def serves(self) -> bool:
        # The S3 port answers before a volume can be written: only a small PUT tells.
        from botocore.exceptions import BotoCoreError, ClientError

        client = self.client(attempts=1, timeout=2)
        try:
            if PROBE_BUCKET not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
                client.create_bucket(Bucket=PROBE_BUCKET)
            client.put_object(Bucket=PROBE_BUCKET, Key="probe", Body=b"x")
            client.delete_object(Bucket=PROBE_BUCKET, Key="probe")
        except (BotoCoreError, ClientError):
            return False
        return True

    def client(self, attempts: int = 5, timeout: float = 60.0) -> Any:
        """A boto3 S3 client signed in here; `timeout` in seconds, for connect and for read."""
        return _client(self.endpoint_url, self.access_key, self.secret_key, attempts, timeout)

    def bucket(self, name: str) -> str:
        """Make the bucket unless it exists; returns its URI, `s3://name`."""
        client = self.client()
        if name not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
            client.create_bucket(Bucket=name)
        return f"s3://{name}"
