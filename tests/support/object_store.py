"""An S3 service on this machine, with a private bucket that holds the files of a folder."""

import logging
from contextlib import contextmanager

import boto3
from moto.server import ThreadedMotoServer

BUCKET = "scenes"
KEY_ID, SECRET, REGION = "AKIDEXAMPLE", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY", "us-east-1"


@contextmanager
def object_store(folder):
    """Address of the service; files lie at their paths below `deliveries/`."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=url, aws_access_key_id=KEY_ID, aws_secret_access_key=SECRET, region_name=REGION
    )
    try:
        client.create_bucket(Bucket=BUCKET)
        for path in folder.rglob("*"):
            if path.is_file():
                key = f"deliveries/{path.relative_to(folder).as_posix()}"
                client.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
        yield url
    finally:
        client.close()
        server.stop()
