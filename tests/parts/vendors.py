"""The vendors' own clients, told to send one event: what they put on the wire is what Doorward's requests are compared with."""

import argparse
import json
import logging


def splunk(given):
    """splunk-handler: text is what this client logs, so the event is its JSON."""
    from splunk_handler import SplunkHandler

    handler = SplunkHandler(
        host=given.host, port=given.port, protocol="http", verify=False, token=given.secret, index=given.index, source="doorward",
        sourcetype="doorward:audit", hostname=given.hostname, flush_interval=0, retry_count=0, allow_overrides=True,
    )
    logger = logging.getLogger("audit")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    logger.info(given.events, extra={"_time": given.time})


def sentinel(given):
    """azure-monitor-ingestion with azure-identity."""
    from azure.identity import ClientSecretCredential
    from azure.monitor.ingestion import LogsIngestionClient

    at = f"https://{given.host}:{given.port}"
    credential = ClientSecretCredential(
        given.tenant, given.client, given.secret, authority=at, disable_instance_discovery=True, connection_verify=given.ca)
    with LogsIngestionClient(at, credential, connection_verify=given.ca, retry_total=0) as client:
        client.upload(given.rule, given.stream, json.loads(given.events))


def datadog(given):
    """datadog-api-client."""
    from datadog_api_client import ApiClient, Configuration
    from datadog_api_client.v2.api.logs_api import LogsApi
    from datadog_api_client.v2.model.content_encoding import ContentEncoding
    from datadog_api_client.v2.model.http_log import HTTPLog
    from datadog_api_client.v2.model.http_log_item import HTTPLogItem

    at = Configuration(api_key={"apiKeyAuth": given.secret}, server_index=1)
    at.server_variables["protocol"] = "http"
    at.server_variables["name"] = f"{given.host}:{given.port}"
    items = [HTTPLogItem(**entry) for entry in json.loads(given.events)]
    with ApiClient(at) as client:
        LogsApi(client).submit_log(HTTPLog(items), content_encoding=ContentEncoding.GZIP)


def main():
    known = argparse.ArgumentParser()
    known.add_argument("vendor", choices=["splunk", "sentinel", "datadog"])
    known.add_argument("--host", default="127.0.0.1")
    known.add_argument("--port", required=True)
    known.add_argument("--secret", required=True)
    known.add_argument("--events", required=True)
    known.add_argument("--time", type=float)
    for name in ["index", "hostname", "tenant", "client", "rule", "stream", "ca"]:
        known.add_argument(f"--{name}")
    given = known.parse_args()
    {"splunk": splunk, "sentinel": sentinel, "datadog": datadog}[given.vendor](given)


main()
