"""A source that is written as other programs write buckets gets the URI that it may stand for."""

import pytest

from ingest.common.errors import ConfigurationError
from ingest.store.object_store import normalise_source


@pytest.mark.parametrize(
    ("source", "uri"),
    [
        ("arn:aws:s3:::my-bucket", "s3://my-bucket/"),
        ("arn:aws:s3:::my-bucket/day/*", "s3://my-bucket/day/"),
        ("arn:aws-cn:s3:::my-bucket/day/", "s3://my-bucket/day/"),
        ("my-bucket", "s3://my-bucket/"),
        ("my-bucket/day/2026-11-27/", "s3://my-bucket/day/2026-11-27/"),
        ("https://s3.console.aws.amazon.com/s3/buckets/my-bucket?prefix=day/&region=eu-west-1", "s3://my-bucket/day/"),
        ("https://eu-west-1.console.aws.amazon.com/s3/buckets/my-bucket?region=eu-west-1", "s3://my-bucket/"),
        ("https://console.aws.amazon.com/s3/object/my-bucket/day/a%20b.pdf", "s3://my-bucket/day/a b.pdf"),
        ("https://my-bucket.s3.eu-central-1.amazonaws.com/day/a.pdf", "s3://my-bucket/day/a.pdf"),
        ("https://my-bucket.s3.amazonaws.com/day/a.pdf?X-Amz-Signature=x", "s3://my-bucket/day/a.pdf"),
        ("https://s3-us-west-2.amazonaws.com/my-bucket/day/", "s3://my-bucket/day/"),
        ("https://s3.cn-north-1.amazonaws.com.cn/my-bucket/day/", "s3://my-bucket/day/"),
    ],
)
def test_the_uri_is_suggested(source, uri):
    with pytest.raises(ConfigurationError, match="--source") as caught:
        normalise_source(source)
    assert str(caught.value).endswith(f"write {uri}")


@pytest.mark.parametrize("source", ["/no/such/folder", "./papers", "../x", "C:/papers", "Papers 2026", "a"])
def test_a_path_that_can_be_no_bucket_gets_no_suggestion(source):
    with pytest.raises(ConfigurationError) as caught:
        normalise_source(source)
    assert "s3://" not in str(caught.value)


@pytest.mark.parametrize("source", ["https://minio.example/my-bucket/", "https://s3.amazonaws.com/", "https://[x/y"])
def test_a_url_that_says_nothing_of_a_bucket_gets_the_form(source):
    with pytest.raises(ConfigurationError, match="s3://bucket/prefix/ and set AWS_ENDPOINT_URL"):
        normalise_source(source)
