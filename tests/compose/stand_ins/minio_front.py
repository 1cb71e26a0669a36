"""MinIO's command, variables and health path in front of an S3 server that is not MinIO. Standard library only.

minio_front.py server FOLDER --address=:PORT
"""

import asyncio
import os
import signal
import sys
from asyncio import StreamReader, StreamWriter

BEHIND = 8333
HEALTH = b"GET /minio/health/live "


async def main() -> int:
    _, folder, address = sys.argv[1:]
    store = await asyncio.create_subprocess_exec(
        *("weed", "-logtostderr=true", "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
        *("-master.telemetry=false", "-s3", f"-s3.port={BEHIND}", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        env={
            **os.environ,
            "AWS_ACCESS_KEY_ID": os.environ["MINIO_ROOT_USER"],
            "AWS_SECRET_ACCESS_KEY": os.environ["MINIO_ROOT_PASSWORD"],
        },
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, store.terminate)
    await asyncio.start_server(serve, port=int(address.rpartition(":")[2]))
    return await store.wait()


async def serve(reader: StreamReader, writer: StreamWriter) -> None:
    """Answer for the health path; pass everything else on as it is, signatures and all."""
    try:
        first = await reader.readline()
        behind, before = await asyncio.open_connection("127.0.0.1", BEHIND)
    except OSError:
        writer.close()
        return
    if first.startswith(HEALTH):
        before.close()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()
        return
    before.write(first)
    await asyncio.gather(copy(reader, before), copy(behind, writer))


async def copy(source: StreamReader, target: StreamWriter) -> None:
    try:
        while data := await source.read(1 << 16):
            target.write(data)
            await target.drain()
    except OSError:
        pass
    finally:
        target.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
